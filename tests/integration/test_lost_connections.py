"""The server closes connections: a restart, an administrator, an idle timeout. Jobs do not notice."""

import os
import threading
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration

SERVER = "TEST_SERVER_URL"
OF_WORKERS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'bookbot-worker%'"
CLOSE_ALL = text(f"SELECT pid, pg_terminate_backend(pid) {OF_WORKERS}")
OPEN = text(f"SELECT pid {OF_WORKERS}")


@pytest.fixture
def engine(postgres_settings: Settings) -> Iterator[Engine]:
    engine = make_engine(postgres_settings, application="administrator")
    yield engine
    engine.dispose()


def close_all(engine: Engine) -> int:
    """Have the server end every session of workers; returns how many, once they are gone."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ended = set(connection.scalars(CLOSE_ALL))
        eventually(lambda: not ended.intersection(connection.scalars(OPEN)))
    return len(ended)


class ReadsAndWrites(BaseJob):
    def execute(self) -> bool:
        self.log(f"there are {self.session.query(Book).count()} books")
        self.session.add(Book(book_id=new_id(), title="written"))
        return True


def test_connections_that_died_in_the_pool_are_replaced_before_a_job_gets_them(
    postgres_settings: Settings, engine: Engine
) -> None:
    with running(processor_for(postgres_settings, ReadsAndWrites)):
        for number in range(3):
            jobs = [enqueue(engine, ReadsAndWrites) for _ in range(20)]
            eventually(lambda jobs=jobs: all(row(engine, job_id).completed_at for job_id in jobs))
            assert {(row(engine, job_id).state, row(engine, job_id).attempt) for job_id in jobs} == {("completed", 1)}
            if number < 2:
                assert close_all(engine) >= 2


class Waits(BaseJob):
    go = threading.Event()
    started = threading.Event()

    def execute(self) -> bool:
        self.log(f"there are {self.session.query(Book).count()} books")
        with self.parked():
            Waits.started.set()
            Waits.go.wait(30)
        self.session.add(Book(book_id=new_id(), title="written after the loss"))
        self.log("wrote")
        return True


def test_a_parked_job_does_not_notice_that_every_connection_was_closed(
    postgres_settings: Settings, engine: Engine
) -> None:
    with running(processor_for(postgres_settings, Waits)):
        job_id = enqueue(engine, Waits)
        assert Waits.started.wait(20)
        close_all(engine)
        Waits.go.set()
        eventually(lambda: row(engine, job_id).completed_at)
    assert (row(engine, job_id).state, row(engine, job_id).error_message) == ("completed", None)
    assert lines(engine, job_id) == ["there are 0 books", "wrote"]
    with Session(engine) as session:
        assert [book.title for book in session.query(Book)] == ["written after the loss"]


def test_a_hundred_jobs_take_turns_on_the_few_connections_there_are(
    postgres_settings: Settings, engine: Engine
) -> None:
    settings = postgres_settings.model_copy(update={"concurrency": 100})
    with running(processor_for(settings, ReadsAndWrites)):
        jobs = [enqueue(engine, ReadsAndWrites) for _ in range(100)]
        eventually(lambda: all(row(engine, job_id).completed_at for job_id in jobs), 60)
    assert {row(engine, job_id).state for job_id in jobs} == {"completed"}


class Says(BaseJob):
    go = threading.Event()
    started = threading.Event()

    def execute(self) -> bool:
        self.log("before")
        Says.started.set()
        Says.go.wait(30)
        self.log("after")
        return True


def test_an_outage_of_the_server_ends_no_worker_and_no_job(postgres_settings: Settings, engine: Engine) -> None:
    """Nobody can connect for a while, and everybody who was connected is thrown out."""
    name = engine.url.database
    elsewhere = make_engine(postgres_settings.model_copy(update={"database_url": SecretStr(os.environ[SERVER])}))
    Waits.go.clear()
    Waits.started.clear()
    with (
        structlog.testing.capture_logs() as seen,
        running(processor_for(postgres_settings, Waits, ReadsAndWrites, Says)),
    ):
        parked, quiet = enqueue(engine, Waits), enqueue(engine, Says)
        assert Waits.started.wait(20)
        assert Says.started.wait(20)
        with elsewhere.connect().execution_options(isolation_level="AUTOCOMMIT") as server:
            server.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            close_all(engine)
            Says.go.set()  # it ends while nobody can be told
            eventually(lambda: [event for event in seen if event["event"] == "database.unreachable"][1:])
            eventually(lambda: [event for event in seen if event["event"] == "listen.lost"])
            server.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        Waits.go.set()
        later = enqueue(engine, ReadsAndWrites)
        jobs = (parked, quiet, later)
        eventually(lambda: all(row(engine, job).completed_at for job in jobs))
        eventually(lambda: [event for event in seen if event["event"] == "database.back"])
    elsewhere.dispose()
    assert [(row(engine, job).state, row(engine, job).attempt) for job in jobs] == [("completed", 1)] * 3
    assert lines(engine, quiet) == ["before", "after"]
    assert lines(engine, parked) == ["there are 0 books", "wrote"]
