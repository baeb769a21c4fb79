"""Two who change the same row, and SQLite's one writer: no edit is overwritten, nothing of a lost run is kept."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, BookJob, ChunkJob
from shared.database import make_engine, read_only
from shared.ids import new_id
from shared.models import Book, Chunk, Job
from shared.settings import Settings
from tests.support.running import run_one

pytestmark = pytest.mark.integration

edit: Callable[[], None] = print  # replaced by every test


def add_book(engine: Engine, chunks: int = 0) -> tuple[str, list[str]]:
    with Session(engine) as session, session.begin():
        book = Book(book_id=new_id(), title="a book")
        session.add(book)
        session.flush()
        found = [Chunk(chunk_id=new_id(), book_id=book.book_id, type="scene") for _ in range(chunks)]
        session.add_all(found)
        return book.book_id, [chunk.chunk_id for chunk in found]


class RenamesItsBook(BookJob):
    def execute(self) -> bool:
        book = self.book
        edit()
        book.title = "by the job"
        return True


class RewritesItsChunk(ChunkJob):
    def execute(self) -> bool:
        chunk = self.chunk
        edit()
        chunk.text = "by the job"
        return True


@pytest.mark.parametrize("kind", [RenamesItsBook, RewritesItsChunk])
def test_an_edit_made_while_the_job_ran_is_not_overwritten(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: type[BaseJob]
) -> None:
    book_id, (chunk_id,) = add_book(engine, 1)

    def by_a_person() -> None:
        def change() -> None:
            with Session(engine) as session, session.begin():
                session.get_one(Book, book_id).title = "by a person"
                session.scalars(select(Chunk).filter_by(chunk_id=chunk_id)).one().text = "by a person"

        thread = threading.Thread(target=change)  # somebody else: the golden rule is not in force there
        thread.start()
        thread.join()

    monkeypatch.setattr(f"{__name__}.edit", by_a_person)
    about = {"book_id": book_id} | ({"chunk_id": chunk_id} if kind is RewritesItsChunk else {})
    job = run_one(settings, engine, kind, **about)
    assert job.state == "error"
    assert "somebody else changed the same book or chunk" in (job.error_message or "")
    with Session(engine) as session:
        assert session.scalars(select(Book.title)).all() == ["by a person"]
        assert session.scalars(select(Chunk.text)).all() == ["by a person"]
        assert session.scalars(select(Book.locked_by_job_id)).all() == [None]


class LosesItsClaim(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="sent by the dead"))
        if self.job.props["is_sent"]:
            self.session.flush()
        edit()
        return True


@pytest.mark.parametrize("is_sent", [False, True], ids=["pending", "sent"])
def test_nothing_a_job_wrote_is_kept_once_its_claim_is_lost(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch, is_sent: bool
) -> None:
    engine = make_engine(postgres_settings)

    def rescue() -> None:
        later = datetime.now(UTC) + timedelta(days=1)
        with engine.begin() as connection:
            connection.execute(update(Job).values(state="waiting", claim_id=None, worker_id=None, run_at=later))

    def elsewhere() -> None:
        thread = threading.Thread(target=rescue)
        thread.start()
        thread.join()

    monkeypatch.setattr(f"{__name__}.edit", elsewhere)
    job = run_one(postgres_settings, engine, LosesItsClaim, props={"is_sent": is_sent})
    assert (job.state, job.attempt, job.error_message) == ("waiting", 1, None)
    with Session(engine) as session:
        assert session.scalars(select(Book.title)).all() == []
    engine.dispose()


def test_a_transaction_that_may_write_is_the_writer_from_its_first_statement(sqlite_settings: Settings) -> None:
    engine = make_engine(sqlite_settings)
    other = sqlite3.connect(str(engine.url.database), timeout=0, isolation_level=None)
    with read_only(engine).begin() as connection:
        connection.execute(select(Job.job_id))
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    with engine.begin() as connection, pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    engine.dispose()


class ReadsThenWrites(BaseJob):
    def execute(self) -> bool:
        self.session.scalars(select(Book.title)).all()
        edit()
        self.session.add(Book(book_id=new_id(), title="by the job"))
        self.session.flush()
        return True


def test_a_job_that_read_before_another_wrote_can_still_write(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere() -> None:
        thread = threading.Thread(target=lambda: add_book(engine))
        thread.start()
        thread.join()

    monkeypatch.setattr(f"{__name__}.edit", elsewhere)
    job = run_one(settings, engine, ReadsThenWrites)
    assert (job.state, job.error_message) == ("completed", None)
