"""A job that has only read is settled with others; one that has written, by whatever way, never is."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

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
