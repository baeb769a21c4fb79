"""Asking for the same of many jobs: `shared.requests` for hundreds at a time, a few statements each time.

What each job needs is seen to by the worker that carries it out; who asks is told how many were in a state for it.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Select, and_, func, select, true, update
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.database import announce_jobs
from shared.errors import Conflict, NotFound
from shared.models import Job
from shared.requests import request_cancel
from shared.states import TERMINAL, JobState

BATCH = 500
"""Jobs whose rows are locked at a time, in the order in which rows are locked everywhere."""


def batches(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in portions, each for a transaction of its own."""
    ordered = sorted(set(job_ids))
    return (ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH))


def request_cancels(job_ids: Sequence[str], *, session: Session) -> int:
    """Ask that these jobs be called off, with all they started; returns how many had not ended yet.

    Waiting jobs are marked at once: the worker takes along what they started. A running one is told by itself, and
    what it started with it.
    """
    is_waiting = and_(Job.job_id.in_(job_ids), Job.state == JobState.WAITING)
    connection = session.connection()
    marked = connection.execute(
        update(Job)
        .where(Job.job_id.in_(_locked(is_waiting)))
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
        .where(Job.job_id.in_(_locked(has_ended)))
        .values(values | ({"retry_fresh": true()} if fresh else {}))
    )
    announce_jobs(connection)
    return marked.rowcount


def _locked(which: ColumnElement[bool]) -> Select[str]:
    """The ids of these jobs, their rows locked one after the other."""
    return select(Job.job_id).where(which).order_by(Job.job_id).with_for_update()


def _is_told(job_id: str, session: Session) -> bool:
    try:
        request_cancel(job_id, session=session)
    except (Conflict, NotFound):
        return False
    return True
