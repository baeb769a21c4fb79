"""What a list says about its jobs beyond their columns: how their children stand, and in a few words why they wait.

Everything is asked for the whole page at once. The full sentence for one job is in `shared/why.py`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from shared.clock import db_now
from shared.ids import check_id
from shared.models import Book, Job, JobDependency, Queue, Worker
from shared.states import ACTIVE, JobState
from shared.views.jobs import LIST_COLUMNS

COUNTED = 1000
"""Children of one job are counted up to here, plus one that says that there are more."""

Row = dict[str, Any]


def child_counts(session: Session, job_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """For each of these jobs that has children: how many of its own are in each state, of at most 1001 of them."""
    child = aliased(Job)
    has_children = exists().where(child.parent_job_id == Job.job_id)
    parents = session.scalars(select(Job.job_id).where(Job.job_id.in_(job_ids), has_children)).all()
    if not parents:
        return {}
    parts = []
    for number, parent in enumerate(parents):
        some = select(Job.parent_job_id, Job.state).where(Job.parent_job_id == parent).limit(COUNTED + 1)
        inner = some.subquery(f"children_{number}")
        counted = select(inner.c.parent_job_id, inner.c.state, func.count())
        parts.append(counted.group_by(inner.c.parent_job_id, inner.c.state))
    counts: dict[str, dict[str, int]] = {}
    for parent_id, state, count in session.execute(union_all(*parts)):
        counts.setdefault(parent_id, {})[state] = count
    return counts


def short_reasons(session: Session, rows: Sequence[Row]) -> dict[str, str]:
    """For each of these rows that waits: why, in a few words ("in line" where nothing is known to hold it back)."""
    waiting = [row for row in rows if row["state"] == JobState.WAITING]
    if not waiting:
        return {}
    now = now_of(session)
    blocked = _blocked(session, [row["job_id"] for row in waiting])
    paused = set(session.scalars(select(Queue.queue).where(Queue.paused_at.is_not(None))))
    locked = _locked_books(session, {row["book_id"] for row in waiting if row["lock_scope"]})
    live = _live_workers(session)
    reasons: dict[str, str] = {}
    for row in waiting:
        knowing = [worker for worker in live if row["job_type"] in worker.job_types]
        if count := blocked.get(row["job_id"]):
            reason = f"after {count} other {'job' if count == 1 else 'jobs'}"
        elif row["run_at"] > now:
            reason = row["progress_message"] or "scheduled"
        elif row["queue"] in paused:
            reason = "its queue is paused"
        elif not live:
            reason = "no worker is running"
        elif not knowing:
            reason = "no worker knows its type"
        elif not any(not worker.queues or row["queue"] in worker.queues for worker in knowing):
            reason = "no worker serves its queue"
        elif row["book_id"] in locked:
            reason = "its book is in use"
        else:
            reason = "in line"
        reasons[row["job_id"]] = reason
    return reasons


def _blocked(session: Session, job_ids: list[str]) -> dict[str, int]:
    """How many jobs each of these still waits for; those that wait for none are missing."""
    needed = aliased(Job)
    not_done = or_(
        needed.state.in_(sorted(ACTIVE)),
        and_(JobDependency.needs == "completed", needed.state != JobState.COMPLETED),
    )
    query = (
        select(JobDependency.job_id, func.count())
        .join(needed, needed.job_id == JobDependency.depends_on_job_id)
        .where(JobDependency.job_id.in_(job_ids), not_done)
        .group_by(JobDependency.job_id)
    )
    return dict(session.execute(query).all())


def _locked_books(session: Session, book_ids: set[str]) -> set[str]:
    if not book_ids:
        return set()
    locked = select(Book.book_id).where(Book.book_id.in_(book_ids), Book.locked_by_job_id.is_not(None))
    return set(session.scalars(locked))


def _live_workers(session: Session) -> Sequence[Any]:
    """Those that claim: running, and heard of within their lease."""
    query = select(Worker.job_types, Worker.queues)
    return session.execute(query.where(Worker.state == "running", Worker.lease_until > db_now())).all()


def jobs_by_id(session: Session, job_ids: Sequence[str]) -> list[Row]:
    """The jobs of these ids that are still there, newest first, as in `list_jobs`. Raises InvalidInput."""
    known = [check_id("rows", job_id) for job_id in job_ids]
    query = select(*LIST_COLUMNS).where(Job.job_id.in_(known)).order_by(Job.job_id.desc())
    return [dict(row) for row in session.execute(query).mappings()]


def book_titles(session: Session, book_ids: Collection[str | None]) -> dict[str, str]:
    """The titles of these books."""
    known = [book_id for book_id in book_ids if book_id]
    return dict(session.execute(select(Book.book_id, Book.title).where(Book.book_id.in_(known))).all()) if known else {}


def now_of(session: Session) -> datetime:
    """The database's clock: what the age of a job is measured by."""
    return session.execute(select(db_now())).scalar_one()
