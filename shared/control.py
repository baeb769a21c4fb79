"""Changing the course of a job that exists: call it off, or let it run again.

A waiting job is cancelled at once. A running one is only asked to stop, because its worker alone may settle it;
whoever locks the row first wins. What a job started (its children) is called off with it.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, case, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.database import announce_jobs, joined
from shared.dependents import cancel_dependents
from shared.errors import Conflict, NotFound
from shared.ids import check_id
from shared.models import Job
from shared.states import TERMINAL, JobState


def cancel_job(job_id: str, *, session: Session | None = None) -> JobState:
    """Call off a job and everything it started. Returns CANCELLED, or RUNNING where it was asked to stop.

    Raises NotFound, or Conflict where the job has already ended.
    """
    job_id = check_id("job_id", job_id)
    with joined(session) as target:
        target.flush()
        states = cancel_families(target.connection(), [job_id], also_ended=True)
        if job_id not in states:
            raise NotFound("job", job_id)
        state = states[job_id]
        if all(one.is_terminal for one in states.values()):
            raise Conflict(f"job {job_id} is already {state}; there is nothing to cancel")
        target.expire_all()
        return JobState.RUNNING if state is JobState.RUNNING else JobState.CANCELLED


def cancel_families(
    connection: Connection, job_ids: Collection[str], *, also_ended: bool = False
) -> dict[str, JobState]:
    """Call off these jobs and all that descends from them, as far as they have not ended; returns the states they had.

    `also_ended`: what waits for one of `job_ids` is called off even if that one has ended, while what it started has
    not. Does not commit. Where all have ended nothing is changed.
    """
    states = _lock_families(connection, job_ids)
    if all(one.is_terminal for one in states.values()):
        return states
    family = [one for one, its_state in states.items() if not its_state.is_terminal or (also_ended and one in job_ids)]
    connection.execute(
        update(Job)
        .where(Job.job_id.in_(family), Job.state == JobState.WAITING)
        .values(state=JobState.CANCELLED, completed_at=db_now())
    )
    asked = connection.execute(
        update(Job)
        .where(Job.job_id.in_(family), Job.state == JobState.RUNNING)
        .values(cancel_requested_at=func.coalesce(Job.cancel_requested_at, db_now()))
    )
    cancel_dependents(connection, family)
    if asked.rowcount:
        announce_jobs(connection)
    return states


def retry_job(job_id: str, *, fresh: bool = False, session: Session | None = None) -> Job:
    """Put an ended job back to waiting. Its history stays: attempts go on counting, log lines are kept.

    What its LLM answered before is answered again from the ledger, for free, as far as it asks the same. `fresh` asks
    anew, at a price; the old answers stay on record. Raises NotFound, or Conflict where the job has not ended or its
    unique key is held by another job.
    """
    job_id = check_id("job_id", job_id)
    with joined(session) as target:
        target.flush()
        connection = target.connection()
        state = lock_job(connection, job_id)
        if not state.is_terminal:
            raise Conflict(f"job {job_id} is {state}; only an ended job can be retried")
        try:
            connection.execute(
                update(Job).where(Job.job_id == job_id, Job.state.in_(TERMINAL)).values(**waiting_again(fresh))
            )
        except IntegrityError:
            raise Conflict(f"job {job_id} cannot be retried: another job with its unique key is active") from None
        announce_jobs(connection)
        target.expire_all()
        job = target.get_one(Job, job_id)
        if session is None:
            target.expunge(job)
        return job


def waiting_again(fresh: bool = False) -> dict[str, Any]:
    """The values of an ended job that is to run again."""
    return {
        "state": JobState.WAITING,
        "run_at": db_now(),
        "started_at": None,
        "completed_at": None,
        "claim_id": None,
        "deadline_at": None,
        "cancel_requested_at": None,
        "retry_requested_at": None,
        "retry_fresh": False,
        "llm_epoch": Job.llm_epoch + int(fresh),
        "losses": 0,
        "interruptions": 0,
        "max_attempts": case((Job.max_attempts <= Job.attempt, Job.attempt + 1), else_=Job.max_attempts),
        "progress": 0,
        "progress_message": None,
        "result": None,
        "error_message": None,
        "error_trace": None,
    }


def lock_job(connection: Connection, job_id: str) -> JobState:
    """Lock the row and return its state. Raises NotFound."""
    state = connection.scalar(select(Job.state).where(Job.job_id == job_id).with_for_update())
    if state is None:
        raise NotFound("job", job_id)
    return JobState(state)


def lock_family(connection: Connection, job_id: str) -> dict[str, JobState]:
    """Lock the job and all that descends from it, and return their states. Raises NotFound."""
    states = _lock_families(connection, [job_id])
    if job_id not in states:
        raise NotFound("job", job_id)
    return states


def _lock_families(connection: Connection, job_ids: Collection[str]) -> dict[str, JobState]:
    """Lock the jobs and all that descends from them, and return their states.

    In job_id order, whoever is whose child, as a group is locked that is settled: any other could deadlock with it.
    """
    states: dict[str, JobState] = {}
    while missing := _families(connection, job_ids) - states.keys():  # again, for those born while we waited
        rows = select(Job.job_id, Job.state).where(Job.job_id.in_(missing)).order_by(Job.job_id).with_for_update()
        found = {row.job_id: JobState(row.state) for row in connection.execute(rows)}
        states |= found
        if not found:
            break
    return states


def _families(connection: Connection, job_ids: Collection[str]) -> set[str]:
    """The jobs' ids and those of all that descend from them."""
    family, generation = set[str](), set(job_ids)
    while generation:
        family |= generation
        generation = set(connection.scalars(select(Job.job_id).where(Job.parent_job_id.in_(generation)))) - family
    return family
