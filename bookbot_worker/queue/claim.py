"""Claim: take waiting jobs for this worker, as many as it has free slots, in one short transaction.

Committed at once, so that `running` is visible before execution starts. A claim writes a new random `claim_id`,
the fencing token every later write must show. Jobs that lock nothing are found and started by one statement on
PostgreSQL. Jobs that lock a book or chunk also take that lock here, in three steps (`locks.py`): 1. lock the book
rows, 2. read the lock columns in a new statement, 3. write them for the winners. A filter on running jobs alone lets
about a quarter of racing claims overlap (measured, 12 claimers on 5 books); these steps let none.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
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
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate, Update

from bookbot_worker.failpoints import reach
from bookbot_worker.orphans import LOSSES_LIMIT
from bookbot_worker.queue.candidates import Claimant, candidates, word
from bookbot_worker.queue.limits import Limited, Within, full_values, wait_for, within_limits
from bookbot_worker.queue.locks import Candidate, take_locks
from shared.clock import db_now, db_now_plus
from shared.database import asking, is_postgresql
from shared.ids import db_random_id, is_one_of, lean
from shared.models import JOBS, Job
from shared.models.plain import plain_job
from shared.pg_session import compile_nothing, is_pooled
from shared.states import JobState

_NAMES = tuple(JOBS.c.keys())
_FOUND = 7
"""Columns of `candidates` that are read; on PostgreSQL those of a job that was started at once come after them."""

ROUNDS = 10
"""Claims in a row, at most, where limits left candidates out: what stands behind those may start all the same."""


def claim(
    engine: Engine, claimant: Claimant, limit: int, *, runs_a_suspect: bool = False, below: int | None = None
) -> list[Job]:
    """Take up to `limit` jobs; they are `running` and committed when this returns, in claim order.

    The Jobs are plain objects outside any session. `runs_a_suspect`: the worker has a job that may be what killed its
    workers; it is given no second one. `below`: only jobs of a lower priority than this.
    """
    jobs: list[Job] = []
    if is_postgresql(engine):
        jobs, is_more = _claim_unbound(
            engine, claimant, {"free": limit, "runs_a_suspect": runs_a_suspect, "below": below}
        )
        if not is_more:
            return jobs
        runs_a_suspect = runs_a_suspect or _has_a_suspect(jobs)
    busy, full = frozenset[Limited](), frozenset[Limited]()
    for _ in range(ROUNDS):
        wanted = {"free": limit - len(jobs), "runs_a_suspect": runs_a_suspect, "below": below}
        taken, within = _claim(engine, claimant, wanted, busy, full)
        jobs += taken
        if not within.left or len(jobs) == limit:
            break
        busy, full = within.in_hand, full | within.full
        runs_a_suspect = runs_a_suspect or _has_a_suspect(taken)
    return sorted(jobs, key=_claim_order)


def _claim_unbound(engine: Engine, claimant: Claimant, wanted: dict[str, Any]) -> tuple[list[Job], bool]:
    """The jobs among the first that lock nothing and have no limit; and whether there are others, left as they were.

    One statement that commits itself: no BEGIN, no COMMIT, one answer to wait for.
    """
    statement = _found_and_started(claimant, is_below=wanted["below"] is not None)
    with asking(engine).connect() as connection:
        if is_pooled(connection):
            return [], True
        found = connection.execute(statement, wanted | {"worker": claimant.worker_id}).all()
    started = _plain_jobs(row[_FOUND:] for row in found if row[_FOUND] is not None)
    if started:
        reach("claim.sent")
        reach("claim.committed")
    return list(started.values()), len(started) < len(found)


def _claim(
    engine: Engine, claimant: Claimant, wanted: dict[str, Any], busy: Collection[Limited], full: Collection[Limited]
) -> tuple[list[Job], Within]:
    """One claim that first waits for the `busy` limits and leaves the `full` ones alone, and what limits did to it."""
    if full:
        claimant, wanted = replace(claimant, avoids_full=True), wanted | full_values(full)
    is_below = wanted["below"] is not None
    with engine.begin() as connection:
        compile_nothing(connection)
        if busy:
            wait_for(connection, busy)
        started: dict[str, Job] = {}
        if is_postgresql(connection):
            statement = _found_and_started(claimant, is_below=is_below)
            found = connection.execute(statement, wanted | {"worker": claimant.worker_id}).all()
            started = _plain_jobs(row[_FOUND:] for row in found if row[_FOUND] is not None)
        else:
            found = connection.execute(candidates(claimant, is_below=is_below), wanted).all()
        if not found:
            return [], Within(())
        within = Within([Candidate(*row[: _FOUND - 1]) for row in found if row[0] not in started])
        if found[0][_FOUND - 1]:
            within = within_limits(connection, within.allowed)
        if within.allowed:
            started |= _start(connection, claimant, take_locks(connection, within.allowed))
        reach("claim.sent")
    reach("claim.committed")
    return list(started.values()), within


@lru_cache(maxsize=128)
def _found_and_started(claimant: Claimant, *, is_below: bool) -> Select[Any]:
    """The candidates, each with its row as it is now where nothing limits it and it locks nothing: those start here.

    The ids go to the update as an array, not by a join: as many as may come, it looks them up in the primary key. They
    are locked, and were waiting when they were.
    """
    found = candidates(claimant, is_below=is_below).cte("found").prefix_with("MATERIALIZED", dialect="postgresql")
    free = select(found.c.job_id).where(found.c.lock_scope.is_(None), ~found.c.has_limits)
    started = (
        _to_running(claimant.timeouts)
        .where(JOBS.c.job_id == any_(func.array(free.scalar_subquery())))
        .returning(*JOBS.c)
        .cte("started")
    )
    both = [lean(column, "postgresql") for column in (*list(found.c)[:_FOUND], *started.c)]
    query = select(*both).outerjoin_from(found, started, started.c.job_id == found.c.job_id)
    return query.order_by(found.c.priority.desc(), found.c.run_at, found.c.job_id)


def _has_a_suspect(jobs: Iterable[Job]) -> bool:
    return any(vars(job)["losses"] >= LOSSES_LIMIT - 1 for job in jobs)


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
    alike: dict[float, list[ColumnElement[str]]] = {}
    for job_type, seconds in timeouts:
        alike.setdefault(seconds, []).append(word(job_type))
    bounds: list[tuple[ColumnElement[bool], ColumnElement[float]]] = [
        (JOBS.c.job_type.in_(types), literal_column(f"{seconds!r}")) for seconds, types in alike.items()
    ]
    seconds_left: ColumnElement[Any] = case(*bounds) if bounds else null()
    return update(JOBS).values(
        state=JobState.RUNNING,
        claim_id=db_random_id(),
        worker_id=bindparam("worker"),
        started_at=db_now(),
        deadline_at=db_now_plus(cast(seconds_left, Double)),
        attempt=JOBS.c.attempt + 1,
    )


def _plain_jobs(rows: Iterable[Row[Any] | tuple[Any, ...]]) -> dict[str, Job]:
    """Jobs outside any session, by id."""
    return {row[0]: plain_job(dict(zip(_NAMES, row, strict=True))) for row in rows}
