"""Ways to end a job's transaction that only one guard stands in; see test_guards.py, and test_golden_rule.py."""

import contextlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.running import enqueue, processor_for, row

pytestmark = pytest.mark.integration

Route = Callable[[Session], object]
route: Route = bool  # replaced by every test


class Breaks(BaseJob):
    """Sends a write where `is_sent`, takes the way, swallows what that raises, and says that all went well."""

    def execute(self) -> bool:
        if self.job.props["is_sent"]:
            self.session.add(Book(book_id=new_id(), title="must not be written"))
            self.session.flush()
        with contextlib.suppress(Exception):
            route(self.session)
        return True


class Next(BaseJob):
    """On the same connection: what it sees of the one before, and a write of its own."""

    def execute(self) -> bool:
        seen = len(self.session.scalars(select(Book.title)).all())
        self.session.add(Book(book_id=new_id(), title=f"by the next job, which saw {seen}"))
        return True


def driver_of(session: Session) -> Any:
    return session.connection().connection.driver_connection


def check_that_it_is_stopped(settings: Settings, engine: Engine, words: str, *, is_sent: bool = True) -> None:
    processor = processor_for(settings.model_copy(update={"concurrency": 1}), Breaks, Next)
    bad, good = enqueue(engine, Breaks, priority=1, props={"is_sent": is_sent}), enqueue(engine, Next)
    processor.run(until_empty=True)
    assert (row(engine, bad).state, row(engine, good).state) == ("error", "completed")
    assert "golden rule" in str(row(engine, bad).error_message)
    assert words in str(row(engine, bad).error_message)
    with Session(engine) as session:
        assert session.scalars(select(Book.title)).all() == ["by the next job, which saw 0"]


def commit_before_anything_was_begun(session: Session) -> None:
    session.add(book := Book(book_id=new_id(), title="must not be written"))
    session.expunge(book)
    session.get_transaction().commit()  # type: ignore[union-attr]


def test_a_session_s_transaction_is_not_committed_even_where_nothing_was_sent(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.route", commit_before_anything_was_begun)
    check_that_it_is_stopped(settings, engine, "commit of the session's transaction", is_sent=False)


def stream(session: Session) -> None:
    cursor = driver_of(session).cursor()
    list(cursor.stream("COMMIT"))


def begin_two_phases(session: Session) -> None:
    driver = driver_of(session)
    assert isinstance(driver, psycopg.Connection)
    driver.tpc_begin(driver.xid(1, "gtrid", "bqual"))


@pytest.mark.parametrize(
    ("way", "words", "is_sent"),
    [(stream, "the statement COMMIT", True), (begin_two_phases, "tpc_begin()", False)],
    ids=["stream", "two phases"],
)
def test_more_of_psycopg_s_own_ways_are_stopped(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch, way: Route, words: str, is_sent: bool
) -> None:
    monkeypatch.setattr(f"{__name__}.route", way)
    engine = make_engine(postgres_settings)
    check_that_it_is_stopped(postgres_settings, engine, words, is_sent=is_sent)
    engine.dispose()


@pytest.mark.parametrize("name", ["commit", "rollback"])
def test_what_a_connection_is_told_is_named_as_such(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """SQLAlchemy's event comes before the driver's guard, while the transaction can still be undone."""
    monkeypatch.setattr(f"{__name__}.route", lambda session: getattr(session.connection(), name)())
    check_that_it_is_stopped(settings, engine, f"{name} on a connection")
