"""Pruning: forget jobs that ended long ago. For the command, and for the job type that a schedule runs.

What goes with a job: its log lines, its dependencies, and the texts it exchanged with language models. What stays:
what those calls cost (the figures of `costs` are about money and do not change), books, chunks and files. A pruned job
cannot run again, so nobody needs the answers any more that a retry would have been given for free.

Kept is every job that an active one waits for, has started, or was started by. Each call is one batch in the caller's
transaction; rows in another's hands are skipped.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Delete, Update, delete, func, select, update
from sqlalchemy.orm import Session, aliased

from shared.clock import db_now_plus
from shared.errors import InvalidInput
from shared.models import Job, JobDependency, JobLog, LlmCall, ScheduleTick, Worker
from shared.states import ACTIVE, TERMINAL, JobState

BATCH = 1000
DAY = 86_400.0
COUNTED = 100_000
"""Jobs are counted up to here."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went, or of `llm_calls` lost their texts."""

    jobs: int = 0
    log_lines: int = 0
    llm_calls: int = 0
    ticks: int = 0
    workers: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    def as_dict(self) -> dict[str, int]:
        """For JSON."""
        return asdict(self)


def ended_before(session: Session, older_than_days: float) -> datetime:
    """The instant that many days ago by the database's clock. Raises InvalidInput for less than none."""
    if not 0 <= older_than_days <= 36_500:
        raise InvalidInput("older_than_days", "must be from 0 to 36500")
    return session.scalars(select(db_now_plus(-older_than_days * DAY))).one()


def prunable(before: datetime, states: Collection[JobState] = TERMINAL) -> tuple[ColumnElement[bool], ...]:
    """Ended before that, in one of these states, and of no concern to an active job."""
    child, parent, dependent = aliased(Job), aliased(Job), aliased(Job)
    has_active_child = select(1).where(child.parent_job_id == Job.job_id, child.state.in_(sorted(ACTIVE))).exists()
    has_active_parent = select(1).where(parent.job_id == Job.parent_job_id, parent.state.in_(sorted(ACTIVE))).exists()
    is_waited_for = (
        select(1)
        .where(JobDependency.depends_on_job_id == Job.job_id, dependent.job_id == JobDependency.job_id)
        .where(dependent.state.in_(sorted(ACTIVE)))
        .exists()
    )
    is_ended = (Job.completed_at.is_not(None), Job.completed_at < before, Job.state.in_(sorted(states)))
    return (*is_ended, ~has_active_child, ~has_active_parent, ~is_waited_for)


def count_prunable(session: Session, before: datetime, states: Collection[JobState] = TERMINAL) -> int:
    """How many jobs would go; counting ends at COUNTED."""
    first = select(Job.job_id).where(*prunable(before, states)).limit(COUNTED).subquery()
    return session.scalar(select(func.count()).select_from(first)) or 0


def prune_batch(
    session: Session, before: datetime, states: Collection[JobState] = TERMINAL, limit: int = BATCH
) -> Pruned:
    """Forget the oldest such jobs, at most `limit`. All are gone when fewer `jobs` are returned."""
    session.flush()
    oldest = select(Job.job_id).where(*prunable(before, states)).order_by(Job.completed_at).limit(limit)
    ids = session.scalars(oldest.with_for_update(of=Job.__table__, skip_locked=True)).all()
    if not ids:
        return Pruned()
    lines = _count(session, delete(JobLog).where(JobLog.job_id.in_(ids)))
    emptied = update(LlmCall).where(LlmCall.job_id.in_(ids)).values(request={}, response=None)
    calls = _count(session, emptied)
    jobs = _count(session, delete(Job).where(Job.job_id.in_(ids)))
    session.expire_all()
    return Pruned(jobs, lines, calls)


def prune_rest(session: Session, before: datetime) -> Pruned:
    """Forget ticks of schedules, and workers that ended and hold no job, from before that."""
    ticks = _count(session, delete(ScheduleTick).where(ScheduleTick.tick_at < before))
    holds_jobs = select(1).where(Job.worker_id == Worker.worker_id, Job.state == JobState.RUNNING).exists()
    is_over = func.coalesce(Worker.lease_until, Worker.heartbeat_at) < before
    workers = _count(session, delete(Worker).where(is_over, ~holds_jobs))
    return Pruned(ticks=ticks, workers=workers)


def _count(session: Session, statement: Delete | Update) -> int:
    changed = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", changed).rowcount
