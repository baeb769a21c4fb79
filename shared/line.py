"""The line a due job stands in: how many others of its queue would be taken first."""

from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from shared.clock import db_now
from shared.models import Job, JobDependency
from shared.states import ACTIVE, JobState

COUNTED = 1000
"""Places in line are counted up to here; beyond, the answer says "more than"."""


def place_in_line(session: Session, job: Any) -> int:
    """1 + how many jobs of the same queue come first in claim order; counting stops at COUNTED + 1."""
    other = aliased(Job)
    ahead = select(other.job_id).where(other.queue == job.queue, comes_first(other, job)).limit(COUNTED)
    return 1 + (session.scalar(select(func.count()).select_from(ahead.subquery())) or 0)


def comes_first(other: Any, job: Any) -> ColumnElement[bool]:
    """Whether `other` waits, is due and not blocked, and stands before `job` in claim order."""
    needed = aliased(Job)
    is_blocked = (
        select(JobDependency.job_id)
        .join(needed, needed.job_id == JobDependency.depends_on_job_id)
        .where(JobDependency.job_id == other.job_id, not_done(needed))
        .exists()
    )
    place = tuple_(literal(job.run_at, Job.run_at.type), literal(job.job_id, Job.job_id.type))
    stands_before = or_(
        other.priority > job.priority,
        (other.priority == job.priority) & (tuple_(other.run_at, other.job_id) < place),
    )
    is_wanted = other.cancel_requested_at.is_(None)
    return and_(other.state == JobState.WAITING, is_wanted, other.run_at <= db_now(), stands_before, ~is_blocked)


def not_done(needed: Any) -> ColumnElement[bool]:
    """Whether the job a JobDependency points at still holds the other one back."""
    return or_(
        needed.state.in_(sorted(ACTIVE)),
        and_(JobDependency.needs == "completed", needed.state != JobState.COMPLETED),
    )
