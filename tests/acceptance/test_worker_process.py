"""The worker as it is run: a process of its own, real signals, kill -9."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.control import cancel_job
from shared.enqueue import create_job
from shared.ids import new_id
from shared.job_types import catalogue
from shared.models import Book, Worker
from shared.settings import Settings
from tests.support.running import eventually, lines, row
from tests.support.zoo import JOB_TYPES

pytestmark = pytest.mark.acceptance

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Starts `bookbot-worker run` with the zoo's jobs; whatever still runs at the end of the test is killed."""
    for job_type in JOB_TYPES:
        catalogue().add(job_type)
    started: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BOOKBOT_JOB_TYPES": "tests.support.zoo",
        "BOOKBOT_JOBS": "tests.support.zoo",
        "BOOKBOT_POLL_SECONDS": "0.2",
        "BOOKBOT_LOG_FLUSH_SECONDS": "0.05",
    }

    def run(*options: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"worker{len(started)}.log").open("wb")
        command = [sys.executable, "-m", "bookbot_worker", "run", *options]
        started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        log.close()
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def props(tmp_path: Path) -> dict[str, Any]:
    """Where the jobs of this test leave their traces, and what they wait for."""
    return {"witness": str(tmp_path / "witness"), "go": str(tmp_path / "go")}


def add(engine: Engine, job_type: str, props: dict[str, Any], **values: Any) -> str:
    with Session(engine) as session:
        job = create_job(job_type=job_type, props=props, session=session, **values)
        session.commit()
        return job.job_id


def seen(props: dict[str, Any]) -> list[str]:
    path = Path(props["witness"])
    return path.read_text().split() if path.exists() else []


def titles(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return sorted(book.title for book in session.query(Book))


def workers(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return [worker.state for worker in session.query(Worker)]


def test_an_idle_worker_stops_at_sigterm(start: Start, engine: Engine) -> None:
    worker = start()
    eventually(lambda: workers(engine) == ["running"])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    assert workers(engine) == ["stopped"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_busy_worker_finishes_its_job_and_takes_no_other(
    start: Start, engine: Engine, props: dict[str, Any], stop: signal.Signals
) -> None:
    job = add(engine, "stubborn", props)
    worker = start()
    eventually(lambda: seen(props) == ["started"])
    worker.send_signal(stop)
    eventually(lambda: workers(engine) == ["draining"])
    later = add(engine, "quick", {})
    Path(props["go"]).touch()
    assert worker.wait(timeout=20) == 0
    assert row(engine, job).state == "completed"
    assert row(engine, later).state == "waiting"
    assert titles(engine) == ["by the stubborn job"]


def test_a_second_signal_gives_running_jobs_back_with_their_attempt(
    start: Start, engine: Engine, props: dict[str, Any]
) -> None:
    patient = add(engine, "patient", props)
    stubborn = add(engine, "stubborn", props)
    worker = start()
    eventually(lambda: seen(props) == ["started", "started"])
    worker.send_signal(signal.SIGTERM)
    eventually(lambda: workers(engine) == ["draining"])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    for job in (row(engine, patient), row(engine, stubborn)):
        assert (job.state, job.attempt, job.claim_id, job.worker_id) == ("waiting", 0, None, None)
    assert lines(engine, patient) == ["waiting"]


def test_after_the_drain_time_jobs_go_back_to_waiting_and_the_next_worker_runs_them(
    start: Start, engine: Engine, props: dict[str, Any]
) -> None:
    job = add(engine, "patient", props)
    worker = start("--drain-timeout", "0.1")
    eventually(lambda: seen(props) == ["started"])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    assert (row(engine, job).state, row(engine, job).attempt) == ("waiting", 0)
    start()
    eventually(lambda: seen(props) == ["started", "started"])
    eventually(lambda: row(engine, job).state == "running")


def test_kill_9_in_the_middle_of_a_job_leaves_no_partial_write(
    start: Start, engine: Engine, props: dict[str, Any]
) -> None:
    book = new_id()
    with Session(engine) as session:
        session.add(Book(book_id=book, title="locked by the job"))
        session.commit()
    job = add(engine, "half_done", props, book_id=book)
    worker = start()
    eventually(lambda: seen(props) == ["flushed"])
    worker.kill()
    worker.wait(timeout=20)
    eventually(lambda: titles(engine) == ["locked by the job"])
    after = row(engine, job)
    assert (after.state, after.completed_at) == ("running", None)
    with Session(engine) as session:
        assert session.get_one(Book, book).locked_by_job_id == job
        session.add(Book(book_id=new_id(), title="the database takes new writes"))
        session.commit()


def test_cancelling_a_running_job_stops_it(start: Start, engine: Engine, props: dict[str, Any]) -> None:

    job = add(engine, "patient", props)
    start()
    eventually(lambda: seen(props) == ["started"])
    with Session(engine) as session:
        cancel_job(job, session=session)
        session.commit()
    eventually(lambda: row(engine, job).state == "cancelled")
    assert row(engine, job).completed_at is not None


def test_until_empty_ends_by_itself(start: Start, engine: Engine) -> None:
    jobs = [add(engine, "quick", {}) for _ in range(20)]
    assert start("--until-empty").wait(timeout=30) == 0
    assert {row(engine, job).state for job in jobs} == {"completed"}


def test_two_workers_share_the_jobs(start: Start, engine: Engine) -> None:
    start()
    start()
    eventually(lambda: workers(engine) == ["running", "running"])
    jobs = [add(engine, "quick", {}) for _ in range(100)]
    eventually(lambda: all(row(engine, job).state == "completed" for job in jobs), 40)
    assert {row(engine, job).attempt for job in jobs} == {1}


def test_a_worker_that_cannot_start_says_why_in_one_line() -> None:
    environment = os.environ | {"DATABASE_URL": "postgresql://nobody:hunter2@127.0.0.1:1/none"}
    done = subprocess.run(
        [sys.executable, "-m", "bookbot_worker", "run"], env=environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode not in (0, -signal.SIGTERM)
    assert b"Traceback" not in done.stderr
    assert b"hunter2" not in done.stdout + done.stderr
