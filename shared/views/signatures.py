"""Whether a list would look different now: a short text for each topic, that changes when what it is about changes.

Cheap, because it is asked twice a second while somebody looks: the ends of indexes, the rows of what runs, small
tables; nothing here counts history. So one thing it does not notice: far behind in a long backlog, a job that is put
there again. It notices when that job runs.
"""

import hashlib
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.models import IS_RUNNING, Book, Chunk, Job, Queue, Schedule, Worker
from shared.states import JobState

TOPICS = ("jobs", "books", "workers", "queues", "schedules")

BACKLOG = 200
"""So many waiting jobs are looked at from either end; of more, the list shows none."""

RUNNING = 2000
"""So many running jobs are looked at."""

OF_A_BOOK = 300
"""So many of a book's newest jobs are looked at."""


def signature(session: Session, topic: str, book_id: str | None = None) -> str:
    """The signature of one of TOPICS; of "jobs" and "books" for one book alone where `book_id` is given."""
    match topic:
        case "jobs":
            return _short(_of_book(session, book_id) if book_id else _of_jobs(session))
        case "books":
            return _short([*_books(session, book_id), *(_of_book(session, book_id) if book_id else _ended(session))])
        case "workers":
            return _short([*_workers(session), *_running(session)])
        case "queues":
            return _short(session.execute(select(*Queue.__table__.columns).order_by(Queue.queue)).all())
        case "schedules":
            return _short(session.execute(select(*Schedule.__table__.columns).order_by(Schedule.name)).all())
        case _:
            raise AssertionError(topic)


def _of_jobs(session: Session) -> list[Any]:
    """What was enqueued last, what ended last, what runs and how far, and the ends of the backlog."""
    newest = session.execute(select(Job.job_id).order_by(Job.job_id.desc()).limit(1)).all()
    return [*newest, *_ended(session), *_running(session), *_backlog(session)]


def _ended(session: Session) -> list[Any]:
    query = select(Job.completed_at, Job.job_id).where(Job.completed_at.is_not(None))
    return list(session.execute(query.order_by(Job.completed_at.desc()).limit(1)).all())


# Progress in twentieths: a list shows a small bar, and is fetched anew by everybody who looks at it.
_STATE = (Job.job_id, Job.state, Job.attempt, Job.cancel_requested_at, func.round(Job.progress * 20))


def _running(session: Session) -> list[Row[Any]]:
    query = select(*_STATE, Job.worker_id, Job.claim_id).where(IS_RUNNING).limit(RUNNING)
    return sorted(session.execute(query).all(), key=lambda row: str(row[0]))


def _backlog(session: Session) -> list[Any]:
    is_waiting = Job.state == JobState.WAITING
    order = (Job.priority.desc(), Job.run_at, Job.job_id)
    first = select(Job.job_id, Job.run_at, Job.attempt).where(is_waiting).order_by(*order).limit(BACKLOG)
    return list(session.execute(first).all())


def _of_book(session: Session, book_id: str) -> list[Row[Any]]:
    query = select(*_STATE, Job.completed_at).where(Job.book_id == book_id).order_by(Job.job_id.desc())
    return list(session.execute(query.limit(OF_A_BOOK)).all())


def _books(session: Session, book_id: str | None) -> list[Any]:
    """The newest books, and which books and scenes are locked."""
    columns = (Book.book_id, Book.revision, Book.locked_by_job_id)
    if book_id is None:
        return list(session.execute(select(*columns).order_by(Book.book_id.desc()).limit(BACKLOG)).all())
    locked = select(Chunk.chunk_id, Chunk.version, Chunk.locked_by_job_id)
    locked = locked.where(Chunk.book_id == book_id, Chunk.locked_by_job_id.is_not(None)).order_by(Chunk.chunk_id)
    return [*session.execute(select(*columns).where(Book.book_id == book_id)), *session.execute(locked)]


def _workers(session: Session) -> list[Any]:
    """Those that live, and why they cannot work; a beat alone changes nothing."""
    query = select(Worker.worker_id, Worker.state, Worker.trouble, Worker.concurrency)
    return list(session.execute(query.where(Worker.lease_until > db_now()).order_by(Worker.worker_id)).all())


def _short(rows: Any) -> str:
    told = "\n".join(repr(tuple(row)) for row in rows)
    return hashlib.blake2b(told.encode(errors="replace"), digest_size=8).hexdigest()
