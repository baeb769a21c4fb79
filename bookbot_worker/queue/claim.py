"""Claim: take waiting jobs for this worker, as many as it has free slots, in one short transaction.

Committed at once, so that `running` is visible before execution starts. A claim writes a new random `claim_id`,
the fencing token every later write must show. Jobs that lock a book or chunk also take that lock here, in three
steps (`locks.py`): 1. lock the book rows, 2. read the lock columns in a new statement, 3. write them for the
winners. A filter on running jobs alone lets about a quarter of racing claims overlap (measured, 12 claimers on
5 books); these steps let none.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, Engine, bindparam, case, cast, null, update
from sqlalchemy.sql.dml import ReturningUpdate

from bookbot_worker.failpoints import reach
from bookbot_worker.orphans import LOSSES_LIMIT
from bookbot_worker.queue.candidates import Claimant, candidates
from bookbot_worker.queue.limits import Limited, Within, full_values, wait_for, within_limits
from bookbot_worker.queue.locks import Candidate, take_locks
from shared.clock import db_now, db_now_plus
from shared.database import is_one_of
from shared.ids import db_random_id
from shared.models import JOBS, Job
from shared.states import JobState

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
    busy, full = frozenset[Limited](), frozenset[Limited]()
    for _ in range(ROUNDS):
        wanted = {"free": limit - len(jobs), "runs_a_suspect": runs_a_suspect, "below": below}
        taken, within = _claim(engine, claimant, wanted, busy, full)
        jobs += taken
        if not within.left or len(jobs) == limit:
            break
        busy, full = within.in_hand, full | within.full
        runs_a_suspect = runs_a_suspect or any(job.losses >= LOSSES_LIMIT - 1 for job in taken)
    return jobs


def _claim(
    engine: Engine, claimant: Claimant, wanted: dict[str, Any], busy: Collection[Limited], full: Collection[Limited]
) -> tuple[list[Job], Within]:
    """One claim that first waits for the `busy` limits and leaves the `full` ones alone, and what limits did to it."""
    if full:
        claimant, wanted = replace(claimant, avoids_full=True), wanted | full_values(full)
    with engine.begin() as connection:
        if busy:
            wait_for(connection, busy)
        found = connection.execute(candidates(claimant, is_below=wanted["below"] is not None), wanted).all()
        if not found:
            return [], Within(())
        within = Within([Candidate(*row[:-1]) for row in found])
        if found[0].has_limits:
            within = within_limits(connection, within.allowed)
        winners = take_locks(connection, within.allowed)
        jobs = _start(connection, claimant, winners)
        reach("claim.sent")
    reach("claim.committed")
    return jobs, within


def _start(connection: Connection, claimant: Claimant, job_ids: Sequence[str]) -> list[Job]:
    """Write the claim on the winners' rows."""
    if not job_ids:
        return []
    started = _started(connection.dialect.name, claimant.timeouts)
    rows = connection.execute(started, {"job_ids": job_ids, "worker": claimant.worker_id})
    claimed = {row["job_id"]: _plain_job(row) for row in rows.mappings()}
    return [claimed[job_id] for job_id in job_ids if job_id in claimed]


@lru_cache(maxsize=8)
def _started(dialect: str, timeouts: tuple[tuple[str, float], ...]) -> ReturningUpdate[Any]:
    seconds: ColumnElement[Any] = case(dict(timeouts), value=JOBS.c.job_type) if timeouts else null()
    return (
        update(JOBS)
        .where(is_one_of(JOBS.c.job_id, "job_ids", dialect), JOBS.c.state == JobState.WAITING)
        .values(
            state=JobState.RUNNING,
            claim_id=db_random_id(),
            worker_id=bindparam("worker"),
            started_at=db_now(),
            deadline_at=db_now_plus(cast(seconds, Double)),
            attempt=JOBS.c.attempt + 1,
        )
        .returning(*JOBS.c)
    )


def _plain_job(row: Mapping[Any, Any]) -> Job:
    """A Job outside any session, with the row's values as if it had been loaded (5 µs; the constructor: 90)."""
    job = Job()
    vars(job).update(row)
    return job
