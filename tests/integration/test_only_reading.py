"""A job that has only read is settled with others; one that has written, by whatever way, never is."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker.driver_guard import guard_driver
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.rule_events import watch
from bookbot_worker.unit_of_work import UnitOfWork, guarded
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.running import run_one

pytestmark = pytest.mark.integration

WRITE = "INSERT INTO books (book_id, title, props) VALUES ('019ac000-0000-7000-8000-000000000000', 'raw', '{}')"


class WritesPastUs(BaseJob):
    """Writes on the driver's own cursor: nothing of ours sees that."""

    def execute(self) -> bool:
        driver: Any = self.session.connection().connection
        driver.cursor().execute(WRITE)
        return True


class Reads(BaseJob):
    def execute(self) -> bool:
        self.session.get(Book, new_id())
        return True


def test_what_was_written_past_the_session_is_committed_with_the_job(settings: Settings, engine: Engine) -> None:
    assert run_one(settings, engine, WritesPastUs).state == "completed"
    with Session(engine) as session:
        assert session.query(Book).filter_by(title="raw").count() == 1


def test_a_job_that_has_only_read_is_completed(settings: Settings, engine: Engine) -> None:
    assert run_one(settings, engine, Reads).state == "completed"


ACTS: dict[str, tuple[Callable[[Session], object], bool]] = {
    "nothing": (lambda _session: None, False),
    "a query": (lambda session: session.get(Book, new_id()), False),
    "a locked row": (lambda session: session.execute(text("SELECT 1 FROM books FOR UPDATE")), True),
    "a notice": (lambda session: session.execute(text("SELECT pg_notify('anybody', '')")), True),
    "an object": (lambda session: session.add(Book(book_id=new_id(), title="new", props={})), True),
    "a statement": (lambda session: session.execute(text(WRITE)), True),
    "a statement past us": (lambda session: session.connection().connection.cursor().execute(WRITE), True),
}


@pytest.fixture
def guarded_engine(postgres_settings: Settings) -> Iterator[Engine]:
    """As a worker has it for its jobs, with one connection."""
    engine = make_engine(postgres_settings, pool_size=1, spare=0)
    guard_driver(engine)
    watch()
    yield guarded(engine)
    engine.dispose()


def unit_on(engine: Engine) -> UnitOfWork:
    return UnitOfWork(engine, before_write=lambda: None, warn=lambda _text: None)


@pytest.mark.parametrize("parks", [False, True])
def test_what_jobs_have_only_read_stays_prepared_for_the_next(guarded_engine: Engine, parks: bool) -> None:
    for _ in range(7):
        unit = unit_on(guarded_engine)
        unit.session.get(Book, new_id())
        if parks:
            with unit.parked():
                pass
        assert not unit.has_work()
        unit.discard()
    with guarded_engine.connect() as connection:
        prepared = connection.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    assert [statement for statement in prepared if "FROM books" in statement]


@pytest.mark.parametrize("parks", [False, True])
def test_a_notice_sent_past_us_is_never_heard(guarded_engine: Engine, postgres_settings: Settings, parks: bool) -> None:
    """A transaction that has written nothing ends by COMMIT only where all its statements are known."""
    address = postgres_settings.database_url.get_secret_value().replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as listener:
        listener.execute("LISTEN anybody")
        unit = unit_on(guarded_engine)
        unit.session.get(Book, new_id())
        unit.session.connection().connection.cursor().execute("SELECT pg_notify('anybody', '')")
        if parks:
            with unit.parked():
                pass
        assert not unit.has_work()
        unit.discard()
        assert list(listener.notifies(timeout=0.2)) == []


@pytest.mark.parametrize("act", ACTS)
def test_what_counts_as_work(postgres_settings: Settings, act: str) -> None:
    watch()  # as a worker does when it starts
    engine = make_engine(postgres_settings)
    unit = UnitOfWork(guarded(engine), before_write=lambda: None, warn=lambda _text: None)
    do, is_work = ACTS[act]
    do(unit.session)
    assert unit.has_work() is is_work
    unit.discard()
    engine.dispose()
