"""PgBouncer in transaction mode between everything and the server: it works the same, without a setting.

The pooler is real.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import Engine, event, make_url, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from shared import schema
from shared.control import cancel_job
from shared.database import make_engine
from shared.ids import new_id
from shared.io_deadline import BoundedConnection
from shared.models import Book
from shared.pg_session import compile_nothing
from shared.settings import Settings
from shared.states import LockScope
from tests.support.pooler import pooler
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration

SESSIONS = 3
"""Of the server, which all clients share: fewer than there are connections, so that they change hands all the time."""


@pytest.fixture
def pooled_settings(postgres_settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings that lead through a pooler of this test's own."""
    server = make_url(postgres_settings.database_url.get_secret_value())
    with pooler(str(server.database), int(server.port or 5432), tmp_path, SESSIONS) as one:
        yield postgres_settings.model_copy(update={"database_url": SecretStr(one.url)})


@pytest.fixture
def engine(pooled_settings: Settings) -> Iterator[Engine]:
    engine = make_engine(pooled_settings)
    yield engine
    engine.dispose()


def test_a_pooler_is_recognised_and_the_server_itself_is_not_taken_for_one(
    engine: Engine, postgres_settings: Settings
) -> None:
    direct = make_engine(postgres_settings)
    for one, is_pooled, threshold in ((engine, True, None), (direct, False, 5)):
        with one.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, BoundedConnection)
            assert (driver.is_pooled, driver.prepare_threshold, driver.autocommit) == (is_pooled, threshold, False)
            compile_nothing(connection)
            assert connection.scalar(text("SHOW jit")) == "off"
            connection.rollback()
            assert connection.scalar(text("SHOW jit")) == ("on" if is_pooled else "off"), "others' sessions stay"
    direct.dispose()


def test_a_claim_through_a_pooler_has_no_plan_compiled(engine: Engine) -> None:
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_more: sent.append(statement))
    claim(engine, Claimant(new_id(), ("demo",)), 1)
    [own, found] = sent
    assert (own, found.split()[0]) == ("SET LOCAL jit = off", "WITH")


def test_the_schema_can_be_checked_and_brought_up_to_date(engine: Engine) -> None:
    assert schema.upgrade(engine) == schema.head()
    schema.check(engine)


class Reads(BaseJob):
    def execute(self) -> bool:
        self.log(f"read {self.session.query(Book).count() >= 0}")
        return True


class Writes(BaseJob):
    def execute(self) -> bool:
        for number in range(3):
            self.session.add(Book(book_id=new_id(), title=f"by {self.job.job_id}"))
            self.log(f"line {number}")
        return True


class Changes(BaseJob):
    """Not safe without its lock: what it has read may be old by the time it writes."""

    locks = LockScope.BOOK

    def execute(self) -> bool:
        book = self.session.get_one(Book, self.job.book_id)
        read = int(book.title)
        with self.parked():
            self.log("between reading and writing")
        book.title = str(read + 1)
        return True


def test_two_workers_complete_two_hundred_jobs_once_each(pooled_settings: Settings, engine: Engine) -> None:
    with Session(engine) as session:
        books = [Book(book_id=new_id(), title="0") for _ in range(4)]
        session.add_all(books)
        session.commit()
        book_ids = [book.book_id for book in books]
    kinds = (Reads, Writes, Changes)
    with running(processor_for(pooled_settings, *kinds)), running(processor_for(pooled_settings, *kinds)):
        jobs = [enqueue(engine, Reads) for _ in range(80)]
        jobs += (writing := [enqueue(engine, Writes) for _ in range(80)])
        jobs += [enqueue(engine, Changes, book_id=book_ids[number % 4]) for number in range(40)]
        unfinished = text("SELECT count(*) FROM jobs WHERE completed_at IS NULL")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            eventually(lambda: connection.scalar(unfinished) == 0, 90)
    ended = [row(engine, job_id) for job_id in jobs]
    assert {(job.state, job.attempt, job.error_message) for job in ended} == {("completed", 1, None)}
    assert len({job.worker_id for job in ended}) <= 2
    with Session(engine) as session:
        titles = [title for (title,) in session.query(Book.title)]
    assert sorted(titles) == sorted(["10"] * 4 + [f"by {job_id}" for job_id in writing for _ in range(3)])
    for job_id in writing:
        assert lines(engine, job_id) == ["line 0", "line 1", "line 2"]


class WaitsForCancel(BaseJob):
    started = threading.Event()

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="never"))
        WaitsForCancel.started.set()
        while True:
            self.check_cancelled()
            self.session.execute(text("SELECT pg_sleep(0.02)"))


def test_a_running_job_is_cancelled(pooled_settings: Settings, engine: Engine) -> None:
    with running(processor_for(pooled_settings, WaitsForCancel)):
        job_id = enqueue(engine, WaitsForCancel)
        assert WaitsForCancel.started.wait(20)
        with Session(engine) as session:
            cancel_job(job_id, session=session)
            session.commit()
        eventually(lambda: row(engine, job_id).state == "cancelled")
    with Session(engine) as session:
        assert session.query(Book).count() == 0


def test_jobs_are_found_by_polling_and_the_worker_says_so_once(pooled_settings: Settings, engine: Engine) -> None:
    with structlog.testing.capture_logs() as seen, running(processor_for(pooled_settings, Reads)):
        for _ in range(3):
            job_id = enqueue(engine, Reads)
            eventually(lambda job_id=job_id: row(engine, job_id).completed_at)
    assert [event["event"] for event in seen if event["event"].startswith("listen.")] == ["listen.unavailable"]


LEFT_BEHIND = """
    SELECT
        (SELECT count(*) FROM pg_prepared_statements),
        (SELECT count(*) FROM pg_listening_channels()),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
        (SELECT count(*) FROM pg_settings
         WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding'))
"""


def test_nothing_is_left_behind_in_the_sessions_that_others_use_next(pooled_settings: Settings, engine: Engine) -> None:
    """No prepared statement, no listening, no lock of a session, no setting but those the pooler sees to."""
    with running(processor_for(pooled_settings, Reads, Writes)):
        jobs = [enqueue(engine, kind) for kind in (Reads, Writes) for _ in range(20)]
        eventually(lambda: all(row(engine, job_id).completed_at for job_id in jobs))
        with contextlib.ExitStack() as stack:
            for _ in range(SESSIONS):
                connection = stack.enter_context(engine.connect())
                assert tuple(connection.execute(text(LEFT_BEHIND)).one()) == (0, 0, 0, 0)
