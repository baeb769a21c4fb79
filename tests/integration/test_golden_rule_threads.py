"""Threads a job starts are under its golden rule too; and so are two-phase transactions."""

import contextlib
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, create_engine, insert, select, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.running import enqueue, processor_for, row, run_one

pytestmark = pytest.mark.integration

act: Callable[[Connection], object] = bool  # replaced by every test


class BreaksInAThread(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="must not be written"))
        self.session.flush()
        connection = self.session.connection()

        def end() -> None:
            with contextlib.suppress(Exception):
                act(connection)

        thread = threading.Thread(target=end)
        thread.start()
        thread.join()
        raise LookupError("and then the job failed")


class Next(BaseJob):
    def execute(self) -> bool:
        seen = len(self.session.scalars(select(Book.title)).all())
        self.session.add(Book(book_id=new_id(), title=f"by the next job, which saw {seen}"))
        return True


def core_commit(connection: Connection) -> None:
    connection.commit()


def text_commit(connection: Connection) -> None:
    connection.execute(text("COMMIT"))


def driver_commit(connection: Connection) -> None:
    connection.connection.commit()


@pytest.mark.parametrize("how", [core_commit, text_commit, driver_commit], ids=lambda how: how.__name__)
def test_what_a_job_wrote_before_its_thread_committed_is_not_kept(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch, how: Callable[[Connection], None]
) -> None:
    monkeypatch.setattr(f"{__name__}.act", how)
    engine = make_engine(postgres_settings)
    processor = processor_for(postgres_settings.model_copy(update={"concurrency": 1}), BreaksInAThread, Next)
    bad, good = enqueue(engine, BreaksInAThread, priority=1), enqueue(engine, Next)
    processor.run(until_empty=True)
    assert (row(engine, bad).state, row(engine, good).state) == ("error", "completed")
    with Session(engine) as session:
        assert session.scalars(select(Book.title)).all() == ["by the next job, which saw 0"]
    engine.dispose()


class RollsBackInAThread(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="lost"))
        self.session.flush()
        connection = self.session.connection()

        def roll_back() -> None:
            with contextlib.suppress(Exception):
                connection.connection.rollback()

        thread = threading.Thread(target=roll_back)
        thread.start()
        thread.join()
        return True


def test_a_job_whose_thread_rolled_back_cannot_complete(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    job = run_one(postgres_settings, engine, RollsBackInAThread)
    with Session(engine) as session:
        titles = session.scalars(select(Book.title)).all()
    engine.dispose()
    assert (job.state, titles) in [("error", []), ("completed", ["lost"])]


class InTwoPhases(BaseJob):
    said = ""

    def execute(self) -> bool:
        own = create_engine(self.session.get_bind().url)  # type: ignore[union-attr]
        connection = own.connect()
        try:
            transaction = connection.begin_twophase()
            connection.execute(insert(Book).values(book_id=new_id(), title="in two phases", props={}))
            transaction.commit()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            type(self).said = str(error)
        finally:
            connection.invalidate()
            own.dispose()
        return True


def test_a_two_phase_transaction_is_named_and_remembered(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    job = run_one(postgres_settings, engine, InTwoPhases)
    engine.dispose()
    assert "golden rule" in InTwoPhases.said
    assert job.state == "error"
