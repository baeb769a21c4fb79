"""Queues and their rules: pause, resume, limit. Kept in the database, for every worker, over every restart.

A queue needs no row to exist: it exists where jobs name it. A row says that something about it is special.
"""

from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.database import announce_jobs, is_postgresql, joined
from shared.errors import InvalidInput
from shared.job_types import catalogue
from shared.models import JobTypeLimit, Queue
from shared.text import check_text

MOST = 1_000_000
"""No limit is higher."""


def pause_queue(queue: str, *, session: Session | None = None) -> None:
    """Let no more jobs of this queue start, from the claims on that begin after this is committed. What runs goes on.

    A queue that is paused stays so. Raises InvalidInput.
    """
    with joined(session) as target:
        values = {"queue": _checked(queue), "paused_at": db_now()}
        _put(target, Queue, values, {"paused_at": db_now()}, only_where=Queue.paused_at.is_(None))


def resume_queue(queue: str, *, session: Session | None = None) -> None:
    """Let jobs of this queue start again, and wake the workers. Raises InvalidInput."""
    name = _checked(queue)
    with joined(session) as target:
        target.execute(update(Queue).where(Queue.queue == name).values(paused_at=None))
        _tidy_up(target, name)
        announce_jobs(target.connection())


def limit_queue(queue: str, max_running: int | None, *, session: Session | None = None) -> None:
    """Let at most so many jobs of this queue run at once, of all workers; 0 lets none, None takes the limit away.

    Jobs that run beyond a new limit go on. Raises InvalidInput.
    """
    name, most = _checked(queue), check_limit(max_running)
    with joined(session) as target:
        if most is None:
            target.execute(update(Queue).where(Queue.queue == name).values(max_running=None))
            _tidy_up(target, name)
        else:
            _put(target, Queue, {"queue": name, "max_running": most}, {"max_running": most})
        announce_jobs(target.connection())


def limit_job_type(job_type: str, max_running: int | None, *, session: Session | None = None) -> None:
    """The same for all jobs of a type, whatever their queues. Raises UnknownJobType or InvalidInput."""
    most = check_limit(max_running)
    with joined(session) as target:
        if most is None:  # also of a type that there is no more
            target.execute(delete(JobTypeLimit).where(JobTypeLimit.job_type == check_text("job_type", job_type, 64)))
        else:
            name = catalogue().get(job_type).name
            _put(target, JobTypeLimit, {"job_type": name, "max_running": most}, {"max_running": most})
        announce_jobs(target.connection())


def check_limit(max_running: int | None) -> int | None:
    """The limit itself. Raises InvalidInput."""
    if max_running is not None and (type(max_running) is not int or not 0 <= max_running <= MOST):
        raise InvalidInput("max_running", f"must be a whole number from 0 to {MOST}")
    return max_running


def _checked(queue: str) -> str:
    if not check_text("queue", queue, 64).strip():
        raise InvalidInput("queue", "is empty")
    return queue


def _put(
    session: Session, table: type[Queue | JobTypeLimit], values: dict[str, Any], news: dict[str, Any],
    only_where: Any = None,
) -> None:  # fmt: skip
    """Insert the row, or write `news` on the one that is there."""
    dialect = postgresql if is_postgresql(session.connection()) else sqlite
    keys = list(table.__table__.primary_key)
    insert = dialect.insert(table).values(**values)
    session.execute(insert.on_conflict_do_update(index_elements=keys, set_=news, where=only_where))


def _tidy_up(session: Session, queue: str) -> None:
    """A row that says nothing is not kept."""
    says_nothing = (Queue.queue == queue, Queue.paused_at.is_(None), Queue.max_running.is_(None))
    session.execute(delete(Queue).where(*says_nothing))
