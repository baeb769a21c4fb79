"""The end of a job while the database is away, or takes another's side: its outcome is kept, or it runs again. Once."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.golden_rule import is_plain_query
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.claims import add_book
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration

OF_WORKERS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'bookbot-worker%'"


@pytest.fixture
def engine(postgres_settings: Settings) -> Iterator[Engine]:
    engine = make_engine(postgres_settings, application="administrator")
    yield engine
    engine.dispose()


@contextmanager
def outage(settings: Settings, engine: Engine) -> Iterator[None]:
    """Nobody can connect in the block, and everybody who was connected is thrown out."""
    server = make_engine(settings.model_copy(update={"database_url": SecretStr(os.environ["TEST_SERVER_URL"])}))
    name = engine.url.database
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        with engine.connect() as own:
            own.execute(text(f"SELECT pg_terminate_backend(pid) {OF_WORKERS}"))
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    server.dispose()


class Gate(BaseJob):
    """Stops in the middle until the test opens the gate."""

    started: ClassVar[threading.Semaphore]
    gate: ClassVar[threading.Event]
    passed: ClassVar[threading.Semaphore]

    def stop_here(self) -> None:
        Gate.started.release()
        Gate.gate.wait(60)
        Gate.passed.release()

    def add(self) -> None:
        self.session.add(Book(book_id=new_id(), title=f"written by attempt {self.job.attempt}"))


@pytest.fixture(autouse=True)
def _closed_gate() -> Iterator[None]:
    Gate.started, Gate.passed = threading.Semaphore(0), threading.Semaphore(0)
    Gate.gate = threading.Event()
    yield
    Gate.gate.set()


class Parked(Gate):
    """Reads, waits for its LLM without a connection, and writes."""

    def execute(self) -> bool:
        self.session.query(Book).count()
        with self.parked():
            self.stop_here()
        self.add()
        return True


class OnlyRead(Gate):
    """Has an open transaction in which it has only read."""

    def execute(self) -> bool:
        self.session.query(Book).filter(Book.title.like("%")).count()
        self.add()
        self.stop_here()
        return True


class HasSent(Gate):
    """Has sent its write before the database went away."""

    def execute(self) -> bool:
        self.add()
        self.session.flush()
        self.log("sent")
        self.stop_here()
        return True


class HoldsARow(Gate):
    """Has locked a row: what it read may be changed by others once the connection is gone."""

    def execute(self) -> bool:
        self.session.execute(select(Book).with_for_update()).all()
        self.add()
        self.stop_here()
        return True


class Asks(Gate):
    """Asks the database just when it is away."""

    def execute(self) -> bool:
        Gate.started.release()
        Gate.gate.wait(60)
        try:
            self.session.query(Book).count()
        finally:
            Gate.passed.release()
        self.add()
        return True


def titles(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return sorted(session.scalars(select(Book.title)))


@pytest.mark.parametrize("job_class", [Parked, OnlyRead])
def test_a_job_that_ends_while_the_database_is_away_keeps_its_outcome(
    postgres_settings: Settings, engine: Engine, job_class: type[Gate]
) -> None:
    with running(processor_for(postgres_settings, job_class)) as processor:
        job_id = enqueue(engine, job_class)
        assert Gate.started.acquire(timeout=20)
        with outage(postgres_settings, engine):
            Gate.gate.set()
            assert Gate.passed.acquire(timeout=20)
            eventually(lambda: processor.condition.outage)
            assert not processor._at_work.is_idle
        eventually(lambda: row(engine, job_id).completed_at)
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.interruptions, job.error_message) == ("completed", 1, 0, None)
    assert titles(engine) == ["written by attempt 1"]


@pytest.mark.parametrize("job_class", [HasSent, HoldsARow, Asks])
def test_a_job_whose_transaction_was_lost_runs_again_at_no_cost(
    postgres_settings: Settings, engine: Engine, job_class: type[Gate]
) -> None:
    with running(processor_for(postgres_settings, job_class)) as processor:
        job_id = enqueue(engine, job_class)
        assert Gate.started.acquire(timeout=20)
        with outage(postgres_settings, engine):
            Gate.gate.set()
            assert Gate.passed.acquire(timeout=20)
            eventually(lambda: processor.condition.outage)
            assert not processor._at_work.is_idle
        eventually(lambda: row(engine, job_id).completed_at, 40)
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.interruptions, job.max_attempts) == ("completed", 2, 1, 2)
    assert titles(engine) == ["written by attempt 2"]
    assert job.log_count == len(lines(engine, job_id))


def test_a_worker_that_leaves_during_an_outage_does_not_wait_for_its_end(
    postgres_settings: Settings, engine: Engine
) -> None:
    settings = postgres_settings.model_copy(
        update={
            "drain_seconds": 0.1,
            "stop_grace_seconds": 0.5,
            "heartbeat_seconds": 0.3,
            "lease_seconds": 1.5,
            "rescue_seconds": 0.3,
        }
    )
    processor = processor_for(settings, Parked)
    with running(processor):
        job_id = enqueue(engine, Parked)
        assert Gate.started.acquire(timeout=20)
        with outage(postgres_settings, engine):
            Gate.gate.set()
            eventually(lambda: processor.condition.outage)
            processor.stop()
    assert row(engine, job_id).state == "running"
    with running(processor_for(settings, Parked)):
        eventually(lambda: row(engine, job_id).completed_at)
    assert titles(engine) == ["written by attempt 2"]


class Deadlocks(BaseJob):
    """Two of these lock the same two rows in opposite order."""

    both: ClassVar[threading.Barrier]
    runs: ClassVar[Counter[str]]

    def execute(self) -> bool:
        first, second = self.job.props["books"]
        Deadlocks.runs[first] += 1
        self.session.get_one(Book, first).title = f"by {first}"
        self.session.flush()
        if Deadlocks.runs[first] == 1:
            Deadlocks.both.wait(20)
        self.session.get_one(Book, second).props = {"seen by": first}
        self.session.flush()
        return True


def test_two_jobs_that_deadlock_both_complete(postgres_settings: Settings, engine: Engine) -> None:
    Deadlocks.both, Deadlocks.runs = threading.Barrier(2), Counter()
    one, two = add_book(engine), add_book(engine)
    with running(processor_for(postgres_settings, Deadlocks)):
        jobs = [enqueue(engine, Deadlocks, props={"books": books}) for books in ([one, two], [two, one])]
        eventually(lambda: all(row(engine, job).completed_at for job in jobs), 40)
    assert [row(engine, job).state for job in jobs] == ["completed", "completed"]
    assert sorted(row(engine, job).interruptions for job in jobs) == [0, 1]
    assert titles(engine) == sorted([f"by {one}", f"by {two}"])


class AlwaysConflicts(BaseJob):
    def execute(self) -> bool:
        self.session.execute(text("DO $$ BEGIN RAISE SQLSTATE '40001' USING MESSAGE = 'could not serialize'; END $$"))
        return True


def test_a_job_that_always_conflicts_ends_with_the_reason(
    postgres_settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookbot_worker.retry.random.random", lambda: 0.0)
    with running(processor_for(postgres_settings, AlwaysConflicts)):
        job_id = enqueue(engine, AlwaysConflicts)
        eventually(lambda: row(engine, job_id).completed_at, 40)
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.interruptions) == ("error", 5, 4)
    assert "the database broke off 5 runs of this job" in str(job.error_message)
    assert "could not serialize" in str(job.error_message)


@pytest.mark.parametrize(
    ("statement", "is_plain"),
    [
        ("SELECT title FROM books WHERE book_id IN ('a', 'b')", True),
        ("SELECT count(*) AS n FROM (SELECT lower(title) FROM books) AS t", True),
        ("select coalesce(max(position), 0) from chunks where (a = b)", True),
        ("SELECT 'write_it(now)' FROM books -- nextval('x')", True),
        ("SELECT write_it('now')", False),
        ("SELECT nextval('numbers')", False),
        ('SELECT "Write It" (1)', False),
        ("SELECT * FROM books FOR UPDATE", False),
        ("SELECT * FROM books FOR NO KEY UPDATE SKIP LOCKED", False),
        ("SELECT * FROM books for  share", False),
        ("SELECT title AS for_update FROM books", True),
    ],
)
def test_what_has_certainly_written_and_locked_nothing(statement: str, is_plain: bool) -> None:
    assert is_plain_query(statement) is is_plain
