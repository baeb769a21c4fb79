"""Claim: take waiting jobs for this worker, as many as it has free slots, in one short transaction.

Committed at once, so that `running` is visible before execution starts. A claim writes a new random `claim_id`,
the fencing token every later write must show. Jobs that lock nothing are found and started by one statement on
PostgreSQL. Jobs that lock a book or chunk also take that lock here, in three steps (`locks.py`): 1. lock the book
rows, 2. read the lock columns in a new statement, 3. write them for the winners. A filter on running jobs alone lets
about a quarter of racing claims overlap (measured, 12 claimers on 5 books); these steps let none.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Engine,
    Row,
    Select,
    any_,
    bindparam,
    case,
    cast,
    func,
    null,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate, Update

from bookbot_worker.failpoints import reach
from bookbot_worker.queue.candidates import Claimant, candidates
from bookbot_worker.queue.locks import Candidate, take_locks
from shared.clock import db_now, db_now_plus
from shared.database import is_postgresql
from shared.ids import db_random_id, is_one_of, lean
from shared.models import JOBS, Job
from shared.models.plain import plain_job
from shared.states import JobState

_NAMES = tuple(JOBS.c.keys())


def claim(engine: Engine, claimant: Claimant, limit: int, *, runs_a_suspect: bool = False) -> list[Job]:
    """Take up to `limit` jobs; they are `running` and committed when this returns, in claim order.

    The Jobs are plain objects outside any session. `runs_a_suspect`: the worker has a job that may be what killed its
    workers; it is given no second one.
    """
    wanted = {"free": limit, "runs_a_suspect": runs_a_suspect}
    with engine.begin() as connection:
        if is_postgresql(connection):
            found = connection.execute(_found_and_started(claimant), wanted | {"worker": claimant.worker_id}).all()
        else:
            found = connection.execute(candidates(claimant), wanted).all()
        if not found:
            return []
        started = _plain_jobs(row[4:] for row in found if len(row) > 4 and row[4] is not None)
        rest = [Candidate(*row[:4]) for row in found if row[0] not in started]
        if rest:
            started |= _start(connection, claimant, take_locks(connection, rest))
        reach("claim.sent")
    reach("claim.committed")
    return sorted(started.values(), key=_claim_order)


@lru_cache(maxsize=8)
def _found_and_started(claimant: Claimant) -> Select[Any]:
    """The candidates, each with its row as it is now where it locks nothing: those are started here.

    The ids go to the update as an array, not by a join: as many as may come, it looks them up in the primary key. They
    are locked, and were waiting when they were.
    """
    found = candidates(claimant).cte("found").prefix_with("MATERIALIZED", dialect="postgresql")
    free = select(found.c.job_id).where(found.c.lock_scope.is_(None))
    started = (
        _to_running(claimant.timeouts)
        .where(JOBS.c.job_id == any_(func.array(free.scalar_subquery())))
        .returning(*JOBS.c)
        .cte("started")
    )
    both = [lean(column, "postgresql") for column in (*found.c, *started.c)]
    return select(*both).outerjoin_from(found, started, started.c.job_id == found.c.job_id)


def _claim_order(job: Job) -> tuple[int, datetime, str]:
    row = vars(job)  # past the ORM, which takes ten times as long
    return -row["priority"], row["run_at"], row["job_id"]


def _start(connection: Connection, claimant: Claimant, job_ids: Sequence[str]) -> dict[str, Job]:
    """Write the claim on the winners' rows."""
    if not job_ids:
        return {}
    statement = _started(connection.dialect.name, claimant.timeouts)
    return _plain_jobs(connection.execute(statement, {"job_ids": job_ids, "worker": claimant.worker_id}))


@lru_cache(maxsize=8)
def _started(dialect: str, timeouts: tuple[tuple[str, float], ...]) -> ReturningUpdate[Any]:
    return (
        _to_running(timeouts)
        .where(is_one_of(JOBS.c.job_id, "job_ids", dialect), JOBS.c.state == JobState.WAITING)
        .returning(*(lean(column, dialect) for column in JOBS.c))
    )


def _to_running(timeouts: tuple[tuple[str, float], ...]) -> Update:
    seconds: ColumnElement[Any] = case(dict(timeouts), value=JOBS.c.job_type) if timeouts else null()
    return update(JOBS).values(
        state=JobState.RUNNING,
        claim_id=db_random_id(),
        worker_id=bindparam("worker"),
        started_at=db_now(),
        deadline_at=db_now_plus(cast(seconds, Double)),
        attempt=JOBS.c.attempt + 1,
    )


def _plain_jobs(rows: Iterable[Row[Any] | tuple[Any, ...]]) -> dict[str, Job]:
    """Jobs outside any session, by id."""
    return {row[0]: plain_job(dict(zip(_NAMES, row, strict=True))) for row in rows}
