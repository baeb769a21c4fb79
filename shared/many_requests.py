"""Asking for the same of many jobs: `shared.requests` for a batch of them (`shared.batches`), a few statements each.

What each job needs is seen to by the worker that carries it out; who asks is told how many were in a state for it.
"""

from collections.abc import Sequence

from sqlalchemy import and_, func, select, true, update
from sqlalchemy.orm import Session

from shared.batches import locked
from shared.clock import db_now
from shared.database import announce_jobs
from shared.errors import Conflict, NotFound
from shared.models import Job
from shared.requests import request_cancel
from shared.states import TERMINAL, JobState


def request_cancels(job_ids: Sequence[str], *, session: Session) -> int:
    """Ask that these jobs be called off, with all they started; returns how many had not ended yet.

    Waiting jobs are marked at once: the worker takes along what they started. A running one is told by itself, and
    what it started with it.
    """
    is_waiting = and_(Job.job_id.in_(job_ids), Job.state == JobState.WAITING)
    connection = session.connection()
    marked = connection.execute(
        update(Job)
        .where(Job.job_id.in_(locked(select(Job.job_id).where(is_waiting))))
        .values(cancel_requested_at=func.coalesce(Job.cancel_requested_at, db_now()))
    ).rowcount
    running = select(Job.job_id).where(Job.job_id.in_(job_ids), Job.state == JobState.RUNNING).order_by(Job.job_id)
    told = sum(_is_told(job_id, session) for job_id in connection.scalars(running).all())
    announce_jobs(connection)
    return marked + told


def request_retries(job_ids: Sequence[str], *, session: Session, fresh: bool = False) -> int:
    """Ask that these jobs run again; returns how many had ended.

    One whose unique key another job holds by then is left as it is.
    """
    has_ended = and_(Job.job_id.in_(job_ids), Job.state.in_(sorted(TERMINAL)))
    connection = session.connection()
    values = {"retry_requested_at": func.coalesce(Job.retry_requested_at, db_now())}
    marked = connection.execute(
        update(Job)
        .where(Job.job_id.in_(locked(select(Job.job_id).where(has_ended))))
        .values(values | ({"retry_fresh": true()} if fresh else {}))
    )
    announce_jobs(connection)
    return marked.rowcount


def _is_told(job_id: str, session: Session) -> bool:
    try:
        request_cancel(job_id, session=session)
    except (Conflict, NotFound):
        return False
    return True
