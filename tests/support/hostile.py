"""Job code that misbehaves, and what must hold after each: for the tests called test_hostile_….

Each time the job ends in a readable state, nothing it wrote is there, its book is free again, and the next job, on
the same database connection, is unharmed.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, BookJob
from shared.database import read_only
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobLog
from tests.support.running import row

MEGABYTE = 1024 * 1024
QUICK = {"drain_seconds": 0.1}
"""So that a test of a worker that broke does not wait for it."""

Deed = Callable[[BaseJob], object]

deed: Deed = bool  # replaced by every test
left_over: list[str] = []


class Hostile(BookJob):
    """Sends one write, keeps another pending, and then does its deed."""

    def execute(self) -> Any:
        self.session.add(Book(book_id=new_id(), title="must not be written: sent"))
        self.session.flush()
        self.session.add(Book(book_id=new_id(), title="must not be written: pending"))
        return deed(self)


class Quiet(BookJob):
    """Does its deed without having written anything: it is settled in a group with others."""

    def execute(self) -> Any:
        return deed(self)


class Good(BaseJob):
    """The next job on the same connection: it looks for traces of the one before."""

    def execute(self) -> bool:
        left_over.extend(self.session.scalars(select(Book.title).where(Book.title.like("must not%"))))
        self.session.add(Book(book_id=new_id(), title="by the good job"))
        return True


class Result(SimpleNamespace):
    """The hostile job's row, and the texts around it."""

    job: Job
    titles: list[str]


Run = Callable[..., Result]


def add_book(engine: Engine, title: str = "the locked book") -> str:
    with Session(engine) as session:
        book = Book(book_id=new_id(), title=title)
        session.add(book)
        session.commit()
        return book.book_id


def has_ended(engine: Engine, *job_ids: str) -> bool:
    ended = select(func.count()).where(Job.job_id.in_(job_ids), Job.completed_at.is_not(None))
    with read_only(engine).connect() as connection:
        return connection.scalar(ended) == len(job_ids)


def check_what_always_holds(engine: Engine, job_id: str) -> None:
    """The job has ended, its locks are free, and its log is whole."""
    job = row(engine, job_id)
    assert job.completed_at is not None
    assert job.worker_id is None
    with Session(engine) as session:
        stored = session.execute(select(JobLog.seq, JobLog.attempt).filter_by(job_id=job_id).order_by(JobLog.seq)).all()
        assert [seq for seq, _ in stored] == list(range(1, job.log_count + 1))
        assert session.scalars(select(Book.book_id).where(Book.locked_by_job_id.is_not(None))).all() == []
        assert session.scalars(select(Chunk.chunk_id).where(Chunk.locked_by_job_id.is_not(None))).all() == []
        assert session.scalars(select(Job.job_id).where(Job.state == "running")).all() == []


def ends_in_error(result: Result) -> str:
    """The job's error message, after checking that it is the only thing that is left of the job."""
    assert result.titles == ["by the good job"]
    assert result.job.state == "error"
    message = result.job.error_message
    assert message
    assert len(message) < 10_000
    assert "\x00" not in message
    return message


class Unreadable:
    """Every way to look at it fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")

    def __eq__(self, _other: object) -> bool:
        raise RuntimeError("equal to nothing")

    __hash__ = object.__hash__


def nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def setting(**values: Any) -> Deed:
    def deed(job: BaseJob) -> object:
        for name, value in values.items():
            setattr(job.job, name, value)
        return not values.get("error_message")

    return deed


def write_a_chunk_of_no_book(job: BaseJob) -> object:
    job.session.add(Chunk(chunk_id=new_id(), book_id=new_id(), type="scene"))
    return True
