"""The database of one fault test: jobs put into it, looked at and waited for, whatever happens to its server."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.models import Book, Chunk, Job
from shared.settings import Settings
from tests.support.running import eventually, lines, row
from tests.support.witness import Witness


@dataclass(frozen=True)
class Database:
    """A fresh, migrated database. `engine` leads to it directly; the sessions of it are nobody's workers."""

    settings: Settings
    engine: Engine
    witness: Witness

    def add(self, job_type: str, props: dict[str, Any] | None = None, **values: Any) -> str:
        """Enqueue one job of `tests/faults/jobs.py`, with this test's witness; returns its id."""
        return self.add_many(1, job_type, props, **values)[0]

    def add_many(self, count: int, job_type: str, props: dict[str, Any] | None = None, **values: Any) -> list[str]:
        """Enqueue some at once."""
        given = {"witness": str(self.witness.path)} | (props or {})
        with Session(self.engine) as session:
            jobs = create_jobs([NewJob(job_type, props=given, **values) for _ in range(count)], session=session)
            session.commit()
            return [job.job_id for job in jobs]

    def add_book(self) -> str:
        """A book for jobs to lock."""
        with Session(self.engine) as session:
            session.add(book := Book(book_id=new_id(), title="a book"))
            session.commit()
            return book.book_id

    def add_chunk(self, book_id: str) -> str:
        """A chunk of it."""
        with Session(self.engine) as session:
            session.add(chunk := Chunk(chunk_id=new_id(), book_id=book_id, type="scene"))
            session.commit()
            return chunk.chunk_id

    def row(self, job_id: str) -> Job:
        """The job as it is now."""
        return row(self.engine, job_id)

    def lines(self, job_id: str) -> list[str]:
        """Its log."""
        return lines(self.engine, job_id)

    def effects(self, job_id: str) -> list[str]:
        """The titles of what it has written."""
        with Session(self.engine) as session:
            titles = select(Book.title).where(Book.title.like(f"effect {job_id} %")).order_by(Book.title)
            return list(session.scalars(titles))

    def starts(self, job_id: str) -> int:
        """How often it was started, in the words of its witness."""
        return self.witness.count("start", job_id)

    def wait_for_start(self, job_id: str, times: int = 1, seconds: float = 20.0) -> None:
        """Until it has been started so often."""
        eventually(lambda: self.starts(job_id) >= times, seconds)

    def wait_until_ended(self, job_ids: Iterable[str], seconds: float = 30.0) -> None:
        """Until all of them have ended, however. The server may be away meanwhile."""
        wanted = list(job_ids)
        ended = select(func.count()).where(Job.job_id.in_(wanted), Job.completed_at.is_not(None))

        def have_ended() -> bool:
            with suppress(DBAPIError), Session(self.engine) as session:
                return session.scalar(ended) == len(wanted)
            return False

        eventually(have_ended, seconds)
