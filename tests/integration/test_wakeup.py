"""A worker is told of new jobs; where it is not told, the poll finds them."""

import os
import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from psycopg import OperationalError
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.change_hints import Hint, change_hints
from bookbot_worker.wakeup import Wakeup
from shared.control import cancel_job, retry_job
from shared.database import is_postgresql, make_engine, read_only
from shared.enqueue import create_job
from shared.settings import Settings
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration

NEVER = 100.0
"""Seconds: a test that waits for this poll has failed."""


@pytest.fixture
def wakeup(engine: Engine) -> Iterator[Wakeup]:
    wakeup = Wakeup()
    wakeup.hints = change_hints(engine)
    yield wakeup
    wakeup.close()


def add(engine: Engine) -> str:
    with Session(engine) as session:
        job_id = create_job(job_type="demo", session=session).job_id
        session.commit()
        return job_id


def test_an_enqueue_ends_the_wait_when_it_is_committed(wakeup: Wakeup, engine: Engine) -> None:
    with Session(engine) as session:
        create_job(job_type="demo", session=session)
        session.flush()
        assert not wakeup.wait(0.1)
        session.commit()
    assert wakeup.wait(NEVER) is (Hint.NEW_JOBS if is_postgresql(engine) else Hint.ANYTHING)


def test_a_cancel_of_a_running_job_and_a_retry_end_the_wait_too(wakeup: Wakeup, engine: Engine) -> None:
    job_id = add(engine)
    assert wakeup.wait(NEVER)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET state = 'running', worker_id = job_id"))
    wakeup.wait(0.1)
    with Session(engine) as session:
        cancel_job(job_id, session=session)
        create_job(job_type="demo", session=session)
        session.commit()
    assert wakeup.wait(NEVER) is Hint.ANYTHING, "though jobs are new, too"
    with engine.begin() as connection:
        ended = "UPDATE jobs SET state = 'cancelled', worker_id = NULL, completed_at = created_at"
        connection.execute(text(ended))
    wakeup.wait(0.1)
    with Session(engine) as session:
        retry_job(job_id, session=session)
        session.commit()
    assert wakeup.wait(NEVER)


def test_reading_wakes_nobody(wakeup: Wakeup, engine: Engine) -> None:
    with read_only(engine).connect() as connection:
        connection.execute(text("SELECT count(*) FROM jobs"))
    assert not wakeup.wait(0.1)


def test_another_thread_ends_the_wait_even_if_it_comes_first(wakeup: Wakeup) -> None:
    wakeup.wake()
    wakeup.wake()
    assert not wakeup.wait(NEVER)
    assert not wakeup.wait(0.01)
    threading.Timer(0.05, wakeup.wake).start()
    assert not wakeup.wait(NEVER)


def test_when_the_listening_connection_is_lost_it_says_so_once_and_listens_again(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    listener = make_engine(postgres_settings, application="listener")
    wakeup = Wakeup()
    wakeup.hints = change_hints(listener)
    with engine.begin() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listener'")
        )
    assert wakeup.wait(NEVER), "it was lost: what may have been missed is looked for"
    assert wakeup.wait(NEVER), "it listens again: what came in between is looked for"
    assert not wakeup.wait(0.1)
    add(engine)
    assert wakeup.wait(NEVER)
    wakeup.close()
    listener.dispose()
    engine.dispose()


def test_listening_in_vain_is_tried_again_later_not_at_every_turn(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(postgres_settings)
    tries: list[object] = []

    def refused(_engine: Engine) -> None:
        tries.append(None)
        raise OperationalError("connection refused")

    monkeypatch.setattr("bookbot_worker.change_hints._own_connection", refused)
    hints = change_hints(engine)
    assert [hints.fileno() for _ in range(1000)] == [None] * 1000
    assert len(tries) == 1
    monkeypatch.undo()
    eventually(lambda: hints.fileno() is not None)
    assert hints.is_fresh
    hints.close()
    engine.dispose()


class Unannounced(BaseJob):
    def execute(self) -> bool:
        return True


def test_the_poll_finds_what_no_notice_told_of(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs DISABLE TRIGGER USER"))
    with running(processor_for(postgres_settings, Unannounced)):
        job_id = enqueue(engine, Unannounced)
        eventually(lambda: row(engine, job_id).state == "completed")
    engine.dispose()


class Patient(BaseJob):
    def execute(self) -> bool:
        self.wait(timedelta(seconds=60))
        return True


def test_a_worker_notices_new_jobs_and_cancels_long_before_its_next_poll(settings: Settings, engine: Engine) -> None:
    sleepy = settings.model_copy(update={"poll_seconds": NEVER, "drain_seconds": 0.1})
    with running(processor_for(sleepy, Patient)):
        job_id = enqueue(engine, Patient)
        eventually(lambda: row(engine, job_id).state == "running")
        with Session(engine) as session:
            cancel_job(job_id, session=session)
            session.commit()
        eventually(lambda: row(engine, job_id).state == "cancelled")
        with Session(engine) as session:
            retry_job(job_id, session=session)
            session.commit()
        eventually(lambda: row(engine, job_id).state == "running")


def test_a_thread_that_outlives_the_worker_writes_into_nobodys_file() -> None:
    wakeup = Wakeup()
    wakeup.close()
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), wakeup.write_fd)  # what the system may do with the number at any time
        wakeup.wake()
        os.close(wakeup.write_fd)
        assert os.fstat(file.fileno()).st_size == 0
