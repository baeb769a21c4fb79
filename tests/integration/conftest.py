"""Fixtures of the integration tests alone."""

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker import BookJob
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support import hostile as zoo
from tests.support import product
from tests.support.running import enqueue, eventually, processor_for, row, running


@pytest.fixture
def run(settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> zoo.Run:
    """Run a hostile job for a book, then a good one on the same connection, and check what must always hold."""
    monkeypatch.setattr(zoo, "left_over", [])

    def one_slot(what: zoo.Deed, kind: type[BookJob] = zoo.Hostile) -> zoo.Result:
        monkeypatch.setattr(zoo, "deed", what)
        processor = processor_for(settings.model_copy(update=zoo.QUICK | {"concurrency": 1}), kind, zoo.Good)
        book_id = zoo.add_book(engine)
        hostile = enqueue(engine, kind, book_id=book_id, priority=1)
        good = enqueue(engine, zoo.Good)
        with running(processor):
            eventually(lambda: processor.failure or zoo.has_ended(engine, hostile, good), 8)
        zoo.check_what_always_holds(engine, hostile)
        assert zoo.left_over == [] or row(engine, hostile).state == "completed"
        assert (row(engine, good).state, row(engine, good).error_message) == ("completed", None)
        with Session(engine) as session:
            titles = sorted(session.scalars(select(Book.title).where(Book.book_id != book_id)))
        return zoo.Result(job=row(engine, hostile), titles=titles)

    return one_slot


@pytest.fixture
def book_id(session: Session) -> str:
    """A book without anything in it."""
    book = Book(book_id=new_id(), title="The Clock of Lisbon")
    session.add(book)
    session.commit()
    return book.book_id


@pytest.fixture
def foundation(settings: Settings, session: Session, book_id: str) -> str:
    """The book with its foundation laid; returns the job's id."""
    job_id = product.enqueue(session, "create_foundation", book_id, props={"brief": product.BRIEF, "style": "Plain."})
    product.work(settings)
    return job_id
