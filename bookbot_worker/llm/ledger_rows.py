"""Every statement about the ledger's rows. The side connection is none of the job's: these survive its rollback.

A row is `sent`, committed, before the request leaves, and `done`, committed with the answer, before the job sees it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bookbot_worker.golden_rule import rule_in_force
from shared.clock import db_now
from shared.database import is_postgresql
from shared.models import IS_RUNNING, JOBS, Base, Job, LlmCall

CALLS = Base.metadata.tables[LlmCall.__tablename__]


@dataclass(frozen=True, slots=True)
class Run:
    """The attempt that asks. `epoch`: answers of an earlier one were thrown away."""

    job_id: str
    claim_id: str
    attempt: int
    epoch: int = 0
    book_id: str | None = None
    chunk_id: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the ledger knows it: whom it goes to, what it says, and what tells it from others."""

    provider: str
    model: str
    request: Mapping[str, Any]
    request_hash: str


@contextmanager
def at_the_ledger(engine: Engine) -> Iterator[Connection]:
    """A transaction of the ledger's own, in the job's thread but outside the golden rule, which is about the job's."""
    token = rule_in_force.set(None)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        rule_in_force.reset(token)


def settle_lost_calls(connection: Connection, run: Run) -> None:
    """Mark what earlier runs of the job have sent, and nobody knows the answer of."""
    lost = update(CALLS).where(CALLS.c.job_id == run.job_id, CALLS.c.status == "sent", CALLS.c.claim_id != run.claim_id)
    connection.execute(lost.values(status="unknown", finished_at=db_now()))


def answered(connection: Connection, run: Run, request_hash: str, occurrence: int) -> Row[Any] | None:
    """The stored answer to this request, asked for the n-th time by this job; of several, that of the newest run."""
    columns = CALLS.c
    query = (
        select(CALLS)
        .where(
            columns.job_id == run.job_id,
            columns.request_hash == request_hash,
            columns.occurrence == occurrence,
            columns.epoch == run.epoch,
            columns.status == "done",
        )
        .order_by(columns.attempt.desc(), columns.call_id.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def insert_sent(connection: Connection, run: Run, asked: Asked, *, call_id: str, seq: int, occurrence: int) -> bool:
    """Note that the request is about to leave; False where the job does not run under this claim any more.

    Saying it again, because the answer to an earlier try was lost, changes nothing.
    """
    values = {
        "call_id": call_id,
        "job_id": run.job_id,
        "book_id": run.book_id,
        "chunk_id": run.chunk_id,
        "attempt": run.attempt,
        "claim_id": run.claim_id,
        "epoch": run.epoch,
        "seq": seq,
        "occurrence": occurrence,
        "request_hash": asked.request_hash,
        "provider": asked.provider,
        "model": asked.model,
        "request": asked.request,
        "status": "sent",
    }
    still_ours = select(*(literal(value, CALLS.c[name].type) for name, value in values.items())).where(
        Job.job_id == run.job_id, Job.claim_id == run.claim_id, IS_RUNNING
    )
    dialect = postgresql if is_postgresql(connection) else sqlite
    statement = dialect.insert(CALLS).from_select(list(values), still_ours).on_conflict_do_nothing()
    if connection.execute(statement).rowcount == 1:
        return True
    return connection.scalar(select(CALLS.c.call_id).where(CALLS.c.call_id == call_id)) is not None


def finish(connection: Connection, run: Run, call_id: str, values: Mapping[str, Any]) -> None:
    """Note how a call ended, whether the job still runs or not: what was paid for is kept. The job's cost grows."""
    ended = update(CALLS).where(CALLS.c.call_id == call_id, CALLS.c.status.in_(["sent", "unknown"]))
    is_first = connection.execute(ended.values(finished_at=db_now(), **values)).rowcount
    if is_first and values.get("cost_usd"):
        grown = update(JOBS).where(JOBS.c.job_id == run.job_id)
        connection.execute(grown.values(cost_usd=JOBS.c.cost_usd + values["cost_usd"]))
