"""More routes past the golden rule, and what a job that swallows its violation and goes on cannot do."""

import contextlib
import threading
from collections.abc import Callable
from typing import ClassVar

import pytest
from sqlalchemy import Engine, create_engine, insert, select, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book, Job
from shared.settings import Settings
from tests.integration.test_golden_rule import ROUTES, nothing_but_the_job
from tests.support.running import enqueue, processor_for, row, run_one

pytestmark = pytest.mark.integration

Route = Callable[[Session], object]
route: Route = bool  # replaced by every test


class Breaker(BaseJob):
    """Adds a book, breaks the rule, swallows what that raises, and says that all went well."""

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="must not be written"))
        with contextlib.suppress(Exception):
            route(self.session)
        return True


def driver_rollback(session: Session) -> None:
    session.flush()
    session.connection().connection.rollback()


def read_on_a_connection_of_its_own(session: Session) -> None:
    bound = session.get_bind()
    assert isinstance(bound, Engine)
    own = create_engine(bound.url)
    try:
        with own.connect() as connection:
            connection.execute(text("SELECT 1"))
    finally:
        own.dispose()


def write_on_an_engine_of_its_own_that_commits_every_statement(session: Session) -> None:
    bound = session.get_bind()
    assert isinstance(bound, Engine)
    own = create_engine(bound.url, isolation_level="AUTOCOMMIT")
    try:
        with own.connect() as connection:
            connection.execute(insert(Book).values(book_id=new_id(), title="committed at once", props={}))
    finally:
        own.dispose()


def session_transaction_rollback_before_anything_was_sent(session: Session) -> None:
    session.get_transaction().rollback()  # type: ignore[union-attr]


MORE: list[Route] = [
    driver_rollback,
    read_on_a_connection_of_its_own,
    write_on_an_engine_of_its_own_that_commits_every_statement,
    session_transaction_rollback_before_anything_was_sent,
]


@pytest.mark.parametrize("how", MORE, ids=lambda how: how.__name__)
def test_more_routes_are_stopped_even_where_that_is_swallowed(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, how: Route
) -> None:
    monkeypatch.setattr(f"{__name__}.route", how)
    job = run_one(settings, engine, Breaker)
    assert job.state == "error"
    assert "golden rule: a job must not commit or roll back" in (job.error_message or "")
    assert nothing_but_the_job(engine, job.job_id)


@pytest.mark.parametrize("name", ["commit", "rollback", "close", "reset", "invalidate", "prepare", "begin"])
@pytest.mark.parametrize("is_sent", [True, False], ids=["sent", "pending"])
def test_the_sessions_own_methods_are_stopped_and_named(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str, is_sent: bool
) -> None:
    def how(session: Session) -> None:
        if is_sent:
            session.flush()
        getattr(session, name)()

    monkeypatch.setattr(f"{__name__}.route", how)
    job = run_one(settings, engine, Breaker)
    assert job.state == "error"
    assert f"(session.{name}())" in (job.error_message or "")
    assert nothing_but_the_job(engine, job.job_id)


def test_executescript_is_stopped(sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def how(session: Session) -> None:
        session.flush()
        session.connection().connection.cursor().executescript("SELECT 1")  # type: ignore[attr-defined]

    monkeypatch.setattr(f"{__name__}.route", how)
    engine = create_engine(sqlite_settings.database_url.get_secret_value())
    job = run_one(sqlite_settings, engine, Breaker)
    assert "executescript(), which commits," in (job.error_message or "")
    assert nothing_but_the_job(engine, job.job_id)
    engine.dispose()


class BreaksInAThread(BaseJob):
    """The connection still belongs to the job where one of its threads uses it."""

    said: ClassVar[list[str]] = []

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="must not be written"))
        self.session.flush()
        connection = self.session.connection()

        def commit() -> None:
            try:
                connection.commit()
            except Exception as error:  # noqa: BLE001 - looked at by the test
                self.said.append(str(error))

        thread = threading.Thread(target=commit)
        thread.start()
        thread.join()
        raise LookupError("and then the job failed")


def test_a_thread_of_the_job_cannot_commit_on_its_connection(postgres_settings: Settings) -> None:
    BreaksInAThread.said.clear()
    engine = make_engine(postgres_settings)
    job = run_one(postgres_settings, engine, BreaksInAThread)
    assert job.state == "error"
    assert ["golden rule" in said for said in BreaksInAThread.said] == [True]
    assert nothing_but_the_job(engine, job.job_id)
    engine.dispose()


class GoesOn(BaseJob):
    """Swallows the violation, then writes and sends more, by every way that still works."""

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="before"))
        with contextlib.suppress(Exception):
            route(self.session)
        with contextlib.suppress(Exception):
            self.session.add(Book(book_id=new_id(), title="after, by the session"))
            self.session.flush()
        with contextlib.suppress(Exception):
            values = {"book_id": new_id(), "title": "after, by the connection", "props": {}}
            self.session.connection().execute(insert(Book).values(**values))
        return True


class Next(BaseJob):
    """On the same connection: writes one book of its own."""

    def execute(self) -> bool:
        seen = len(self.session.scalars(select(Book.title)).all())
        self.session.add(Book(book_id=new_id(), title=f"by the next job, which saw {seen}"))
        return True


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("how", [*ROUTES, driver_rollback], ids=lambda how: how.__name__)
def test_what_a_rule_breaker_writes_afterwards_is_not_committed_by_the_next_job(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, how: Route
) -> None:
    monkeypatch.setattr(f"{__name__}.route", how)
    processor = processor_for(settings.model_copy(update={"concurrency": 1}), GoesOn, Next)
    bad, good = enqueue(engine, GoesOn, priority=1), enqueue(engine, Next)
    processor.run(until_empty=True)
    assert (row(engine, bad).state, row(engine, good).state) == ("error", "completed")
    with Session(engine) as session:
        assert [book.title for book in session.query(Book)] == ["by the next job, which saw 0"]
        assert session.query(Job).count() == 2
