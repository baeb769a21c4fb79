"""Whether anything is left to do, for a worker that runs until the queue is empty."""

from datetime import timedelta

from sqlalchemy import ColumnElement, Engine, and_, or_, select

from bookbot_worker.queue.candidates import Claimant, is_claimable
from shared.clock import db_now_plus
from shared.database import read_only
from shared.job_types import RetryPolicy
from shared.models import Job
from shared.states import JobState

SOON: timedelta = RetryPolicy().longest_delay
"""A job that starts later than this is for another day; retries come sooner."""


def is_empty(engine: Engine, claimant: Claimant) -> bool:
    """No job that this worker could run is running anywhere, waiting, or soon due."""
    ours: ColumnElement[bool] = Job.job_type.in_(claimant.job_types)
    if claimant.queues:
        ours = and_(ours, Job.queue.in_(claimant.queues))
    soon = and_(Job.state == JobState.WAITING, ours, Job.attempt > 0, Job.run_at <= db_now_plus(SOON.total_seconds()))
    running = and_(Job.state == JobState.RUNNING, ours)
    left = select(Job.job_id).where(or_(running, soon, is_claimable(Job, claimant))).limit(1)
    with read_only(engine).connect() as connection:
        return connection.scalar(left) is None
