"""What is left to do, for a worker that runs until the queue is empty."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Engine, and_, select, union_all

from bookbot_worker.queue.candidates import Claimant, is_claimable, word
from shared.clock import db_now_plus
from shared.database import asking
from shared.job_types import RetryPolicy
from shared.models import IS_RUNNING, Job
from shared.states import JobState

SOON: timedelta = RetryPolicy().longest_delay
"""A job that starts later than this is for another day; retries come sooner."""


@dataclass(frozen=True, slots=True)
class Left:
    """A job that is not done; `worker_id` runs it, None where it waits."""

    job_id: str
    worker_id: str | None


def anything_left(engine: Engine, claimant: Claimant) -> Left | None:
    """A job this worker could run that runs anywhere, waits, or is soon due; None where there is none."""
    ours: ColumnElement[bool] = Job.job_type.in_(claimant.job_types)
    if claimant.queues:
        ours = and_(ours, Job.queue.in_(claimant.queues))
    soon = and_(Job.attempt > 0, Job.run_at <= db_now_plus(SOON.total_seconds()))
    in_claim_order = select(Job.job_id, Job.worker_id).order_by(Job.priority.desc(), Job.run_at, Job.job_id)
    kinds = (
        select(Job.job_id, Job.worker_id).where(IS_RUNNING, ours),
        in_claim_order.where(Job.state == word(JobState.WAITING), ours, soon),
        in_claim_order.where(is_claimable(Job, claimant)),
    )
    # One of each kind, by the index of its own; asked for any of them at once, every job would be looked at.
    left = union_all(*(select(kind.limit(1).subquery()) for kind in kinds)).limit(1)
    with asking(engine).connect() as connection:
        found = connection.execute(left).one_or_none()
        return None if found is None else Left(*found)
