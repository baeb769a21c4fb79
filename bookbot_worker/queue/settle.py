"""Settle: the one final transaction of an attempt. After it, everything about the job is visible, or nothing.

The order is fixed: the job's row first (every other order deadlocks with rescue), fenced by `claim_id`; then the
job's own writes; its last log lines; its locks; the jobs that waited for it. An attempt whose claim is gone
settles nothing: a late worker can never overwrite a newer run.

Attempts that wrote nothing are settled in groups, one transaction for all; each is fenced on its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, Float, Integer, Update, bindparam, case, null, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.elements import ColumnElement

from bookbot_worker.outcomes import Cancelled, Completed, Errored, Failed, LostClaim, Outcome, Postponed
from bookbot_worker.queue.locks import Candidate, release_locks
from bookbot_worker.telemetry.joblog import LogLine
from bookbot_worker.telemetry.log_writer import insert_lines
from bookbot_worker.unit_of_work import UnitOfWork
from shared.clock import db_now, db_now_plus
from shared.database import is_one_of, is_postgresql
from shared.dependents import cancel_dependents
from shared.models import JOBS, JobDependency
from shared.states import JobState


@dataclass(frozen=True, slots=True)
class Settlement:
    """All that is to be written about one attempt, besides the job's own writes."""

    holder: Candidate
    claim_id: str
    outcome: Outcome
    lines: Sequence[LogLine] = ()
    log_count: int | None = None
    progress: tuple[float, str | None] | None = None
    result: dict[str, Any] | None = None

    @property
    def job_id(self) -> str:
        """The job."""
        return self.holder.job_id

    @property
    def kind(self) -> type[Any]:
        """The type of the outcome, which decides the new state."""
        return type(self.outcome)

    @property
    def is_plain(self) -> bool:
        """Completed with nothing to say: many of these share one statement."""
        has_news = self.lines or self.log_count is not None or self.progress or self.result is not None
        return isinstance(self.outcome, Completed) and not has_news


def settle_together(engine: Engine, settlements: Sequence[Settlement]) -> set[str]:
    """Settle attempts that have no writes of their own, in one transaction; returns the job ids settled.

    Those not returned had lost their claim. Raises what the database raises; nothing is settled then.
    """
    with engine.begin() as connection:
        return _write(connection, settlements)


def settle_alone(unit: UnitOfWork, settlement: Settlement) -> None:
    """Settle one attempt together with everything its session holds.

    Raises LostClaim, or what the job's own writes make the database raise; the caller discards the unit then.
    """
    with unit.rule.permitted():
        connection = unit.writable_connection()
        if not _write(connection, [settlement], flush=unit.session.flush):
            raise LostClaim(settlement.job_id)
        unit.session.commit()


def _write(
    connection: Connection, settlements: Sequence[Settlement], flush: Callable[[], None] = lambda: None
) -> set[str]:
    settled = _write_states(connection, settlements)
    if not settled:
        return settled
    ours = [settlement for settlement in settlements if settlement.job_id in settled]
    flush()
    insert_lines(connection, [line for settlement in ours for line in settlement.lines])
    release_locks(connection, [settlement.holder for settlement in ours if settlement.holder.lock_scope])
    _await_others(connection, ours)
    ended_badly = [item.job_id for item in ours if isinstance(item.outcome, Failed | Errored | Cancelled)]
    if ended_badly:
        cancel_dependents(connection, ended_badly)
    return settled


def _write_states(connection: Connection, settlements: Sequence[Settlement]) -> set[str]:
    """The fenced update of every job's row; returns the ids of those whose claim still held."""
    settled: set[str] = set()
    if plain := [settlement for settlement in settlements if settlement.is_plain]:
        fences = {"job_ids": [item.job_id for item in plain], "claims": [item.claim_id for item in plain]}
        settled.update(connection.scalars(_plain_update(connection.dialect.name), fences))
    for settlement in sorted(settlements, key=lambda item: item.job_id):
        if settlement.is_plain:
            continue
        values = _values(settlement)
        fence = {"job": settlement.job_id, "claim": settlement.claim_id}
        statement = _one_update(settlement.kind, tuple(values))  # type: ignore[arg-type] # classes are hashable
        if connection.execute(statement, {f"new_{name}": value for name, value in values.items()} | fence).rowcount:
            settled.add(settlement.job_id)
    return settled


@lru_cache(maxsize=2)
def _plain_update(dialect: str) -> ReturningUpdate[str]:
    """Complete many jobs. A claim_id belongs to one claim of one job, so the two lists cannot match across jobs."""
    return (
        update(JOBS)
        .where(
            is_one_of(JOBS.c.job_id, "job_ids", dialect),
            is_one_of(JOBS.c.claim_id, "claims", dialect),
            JOBS.c.state == JobState.RUNNING,
        )
        .values(_new_state(Completed))
        .returning(JOBS.c.job_id)
    )


@lru_cache(maxsize=128)
def _one_update(kind: type[Any], names: tuple[str, ...]) -> Update:
    """Settle one job: its new state, and the columns called `names` from parameters (`new_…`)."""
    given = {name: bindparam(f"new_{name}", type_=JOBS.c[name].type) for name in names if name in JOBS.c}
    return (
        update(JOBS)
        .where(
            JOBS.c.job_id == bindparam("job"), JOBS.c.claim_id == bindparam("claim"), JOBS.c.state == JobState.RUNNING
        )
        .values(_new_state(kind) | given)
    )


def _values(settlement: Settlement) -> dict[str, Any]:
    """What is written about this attempt besides its new state."""
    values: dict[str, Any] = {}
    if settlement.progress is not None:
        values["progress"], values["progress_message"] = settlement.progress
    match settlement.outcome:
        case Completed():
            values["progress"] = 1.0
        case Failed(message):
            values["error_message"] = message
        case Errored(message, trace):
            values |= {"error_message": message, "error_trace": trace}
        case Postponed() as postponed:
            values |= {
                "progress_message": postponed.reason,
                "after": postponed.after.total_seconds(),
                "returned": int(postponed.returns_attempt),
            }
    if settlement.log_count is not None:
        values["log_count"] = settlement.log_count
    if settlement.result is not None:
        values["result"] = settlement.result
    return values


def _new_state(kind: type[Any]) -> dict[str, Any]:
    """The columns that follow from the kind of outcome alone."""
    if kind is Postponed:
        return _back_to_waiting()
    states: dict[type[Any], JobState] = {
        Completed: JobState.COMPLETED,
        Failed: JobState.FAILED,
        Errored: JobState.ERROR,
        Cancelled: JobState.CANCELLED,
    }
    ended = {"state": states[kind], "completed_at": db_now(), "worker_id": None, "deadline_at": None}
    return ended | ({"progress": 1.0, "error_message": None} if kind is Completed else {})


def _back_to_waiting() -> dict[str, Any]:
    """Waiting again, unless it was asked to stop meanwhile: a cancelled job is never run again."""
    asked_to_stop = JOBS.c.cancel_requested_at.is_not(None)
    stopped: ColumnElement[Any] = case((asked_to_stop, db_now()), else_=null())
    return {
        "state": case((asked_to_stop, JobState.CANCELLED), else_=JobState.WAITING),
        "completed_at": stopped,
        "worker_id": None,
        "claim_id": None,
        "deadline_at": None,
        "started_at": None,
        "run_at": db_now_plus(bindparam("new_after", type_=Float)),
        "attempt": JOBS.c.attempt - bindparam("new_returned", type_=Integer),
    }


def _await_others(connection: Connection, settlements: Sequence[Settlement]) -> None:
    dialect = postgresql if is_postgresql(connection) else sqlite
    for settlement in settlements:
        if isinstance(settlement.outcome, Postponed) and settlement.outcome.awaits:
            rows = [
                {"job_id": settlement.job_id, "depends_on_job_id": other, "needs": "finished"}
                for other in settlement.outcome.awaits
            ]
            connection.execute(dialect.insert(JobDependency).on_conflict_do_nothing(), rows)
