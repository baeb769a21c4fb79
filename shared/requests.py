"""Asking for a change of a job's course, for programs that may not make it themselves: the web's role.

A request is a column of the job's row, and a worker carries it out (`bookbot_worker/maintenance/requests.py`). It is
checked here as `shared.control` checks the act, so that who asks is refused at once; what changes in between is the
worker's to see. A job asked to be called off is claimed by nobody any more.
"""

from sqlalchemy import func, select, true, update
from sqlalchemy.orm import Session, aliased

from shared.clock import db_now
from shared.control import lock_family, lock_job
from shared.database import announce_jobs, joined
from shared.errors import Conflict
from shared.ids import check_id
from shared.models import Job
from shared.states import ACTIVE, JobState


def request_cancel(job_id: str, *, session: Session | None = None) -> JobState:
    """Ask that a job and everything it started be called off. Returns the state it is in. Safe to repeat.

    Raises NotFound, or Conflict where the job has already ended.
    """
    job_id = check_id("job_id", job_id)
    with joined(session) as target:
        target.flush()
        connection = target.connection()
        states = lock_family(connection, job_id)
        family = [one for one, state in states.items() if not state.is_terminal]
        if not family:
            raise Conflict(f"job {job_id} is already {states[job_id]}; there is nothing to cancel")
        connection.execute(
            update(Job)
            .where(Job.job_id.in_(family), Job.state.in_(sorted(ACTIVE)))
            .values(cancel_requested_at=func.coalesce(Job.cancel_requested_at, db_now()))
        )
        announce_jobs(connection)
        target.expire_all()
        return states[job_id]


def request_retry(job_id: str, *, fresh: bool = False, session: Session | None = None) -> None:
    """Ask that an ended job run again; `fresh` as in `retry_job`. Safe to repeat: fresh once is fresh.

    Raises NotFound, or Conflict where the job has not ended or its unique key is held by another job.
    """
    job_id = check_id("job_id", job_id)
    with joined(session) as target:
        target.flush()
        connection = target.connection()
        state = lock_job(connection, job_id)
        if not state.is_terminal:
            raise Conflict(f"job {job_id} is {state}; only an ended job can be retried")
        holder = aliased(Job)
        same_key = select(holder.job_id).join(Job, Job.unique_key == holder.unique_key)
        if connection.scalar(same_key.where(Job.job_id == job_id, holder.state.in_(sorted(ACTIVE))).limit(1)):
            raise Conflict(f"job {job_id} cannot be retried: another job with its unique key is active")
        connection.execute(
            update(Job)
            .where(Job.job_id == job_id)
            .values(
                retry_requested_at=func.coalesce(Job.retry_requested_at, db_now()),
                retry_fresh=true() if fresh else Job.retry_fresh,
            )
        )
        announce_jobs(connection)
        target.expire_all()
