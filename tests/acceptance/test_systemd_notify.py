"""A worker under a systemd that is played by a socket: ready when it can work, silent when it hangs, and no sooner."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from shared import schema
from shared.enqueue import create_job
from shared.job_types import catalogue
from shared.models import Worker as WorkerRow
from shared.settings import Settings
from shared.views import list_workers
from tests.faults.jobs import JOB_TYPES
from tests.support.fleet import Fleet, Worker
from tests.support.running import eventually, row
from tests.support.service_manager import ServiceManager
from tests.support.witness import Witness

pytestmark = pytest.mark.acceptance

Start = Callable[..., Worker]


@pytest.fixture
def settings(postgres_settings: Settings) -> Settings:
    """On PostgreSQL: what systemd is told comes from the loop, which is the same on both."""
    for job_type in JOB_TYPES:
        catalogue().add(job_type)
    return postgres_settings


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    manager = ServiceManager(tmp_path)
    yield manager
    manager.close()


@pytest.fixture
def start(fleet: Fleet, manager: ServiceManager) -> Start:
    """Starts a worker that the manager watches."""

    def run(*options: str, env: dict[str, str] | None = None, failpoint: str | None = None) -> Worker:
        watched = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "3000000", **(env or {})}
        return fleet.start(*options, env=watched, failpoint=failpoint)

    return run


def add(engine: Engine, witness: Witness, job_type: str, **props: object) -> str:
    with Session(engine) as session:
        job = create_job(job_type=job_type, props={"witness": str(witness.path), **props}, session=session)
        session.commit()
        return job.job_id


def workers(engine: Engine) -> list[WorkerRow]:
    with Session(engine) as session:
        return list(session.scalars(select(WorkerRow)))


def test_ready_comes_after_the_first_beat_and_the_first_look_for_jobs(
    start: Start, manager: ServiceManager, engine: Engine
) -> None:
    worker = start()
    manager.wait_for("READY=1")
    assert [row.pid for row in workers(engine)] == [worker.pid]
    assert manager.messages[0] == "WATCHDOG=1\nREADY=1\nSTATUS=0 of 10 slots at work"
    manager.wait_for("WATCHDOG=1", times=4)
    assert manager.lines.count("READY=1") == 1


def test_a_worker_that_must_not_start_is_never_ready(start: Start, manager: ServiceManager, engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(schema._config(connection), "0001")
    assert start().exit_code() == 78
    assert manager.messages == []


def test_a_worker_whose_first_look_for_jobs_hangs_is_never_ready(
    start: Start, manager: ServiceManager, engine: Engine, tmp_path: Path
) -> None:
    add(engine, Witness(tmp_path / "witness"), "effect")
    worker = start(env={"BOOKBOT_DATABASE_TIMEOUT_SECONDS": "0.5"}, failpoint="claim.sent:hang")
    worker.wait_for_event("beat.missed", reason="the loop is stuck")
    assert manager.messages == []


def test_a_loop_that_hangs_starves_the_watchdog_though_the_process_lives(
    start: Start, manager: ServiceManager, engine: Engine, tmp_path: Path
) -> None:
    witness = Witness(tmp_path / "witness")
    worker = start(env={"BOOKBOT_DATABASE_TIMEOUT_SECONDS": "0.5"}, failpoint="claim.sent:hang:2")
    manager.wait_for("READY=1")
    hung = add(engine, witness, "hangs")
    eventually(lambda: witness.count("start", hung))
    add(engine, witness, "effect")
    worker.wait_for_event("beat.missed", reason="the loop is stuck")
    before = len(manager.messages)
    [told] = workers(engine)
    assert told.lease_until is not None
    eventually(lambda: lease_is_over(engine))
    assert worker.is_alive
    assert len(manager.messages) == before


def lease_is_over(engine: Engine) -> bool:
    with Session(engine) as session:
        return [worker["state"] for worker in list_workers(session)] == ["lost"]


def test_while_it_drains_it_says_so_and_asks_for_time(
    start: Start, manager: ServiceManager, engine: Engine, tmp_path: Path
) -> None:
    witness = Witness(tmp_path / "witness")
    worker = start("--concurrency", "4")
    job = add(engine, witness, "effect", until="go")
    manager.wait_for("STATUS=1 of 4 slots at work")
    worker.signal(signal.SIGTERM)
    manager.wait_for("EXTEND_TIMEOUT_USEC=", times=3)
    assert [line for line in manager.lines if "STOPPING" in line or "draining" in line] == [
        "STOPPING=1",
        "STATUS=draining, 1 of 4 slots at work",
    ]
    witness.add("go")
    assert worker.exit_code() == 0
    assert row(engine, job).state == "completed"


def test_an_idle_worker_that_polls_once_an_hour_is_no_hung_one(start: Start, manager: ServiceManager) -> None:
    start("--poll-interval", "3600", env={"BOOKBOT_HEARTBEAT_SECONDS": "600", "BOOKBOT_LEASE_SECONDS": "3000"})
    manager.wait_for("WATCHDOG=1", times=4)
