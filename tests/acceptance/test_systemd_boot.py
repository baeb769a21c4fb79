"""The units under a real systemd: `make systemd`. Without it, `test_systemd_notify.py` plays systemd everywhere.

Each test has a machine of its own (a quarter of a second), in which the units are those of `deploy/systemd/`, the
virtual environment is where they expect it, and the database is this run's PostgreSQL.
"""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from shared.database import make_engine
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Book, Chunk, OutputFile
from shared.models import Worker as WorkerRow
from shared.new_book import create_book
from shared.settings import Settings, load_settings
from tests.conftest import with_database
from tests.support.installation import (
    ONE,
    TWO,
    WEB,
    add,
    all_workers,
    answer,
    drop_in,
    release,
    serve_web_at,
    wait_for_start,
    wait_for_state,
)
from tests.support.llm_stub import MODEL, llm_stub
from tests.support.machine import Machine
from tests.support.postgres import execute, free_port
from tests.support.running import eventually, row

pytestmark = [pytest.mark.systemd, pytest.mark.xdist_group("systemd")]

KEY = "sk-the-key-of-the-model"


@pytest.fixture
def settings(postgres_settings: Settings) -> Settings:
    """On PostgreSQL."""
    return postgres_settings


def test_starting_means_ready_and_the_status_and_the_journal_tell_what_it_does(
    machine: Machine, engine: Engine
) -> None:
    machine.run("systemctl", "start", ONE)
    assert list(all_workers(engine).values()) == ["running"], "a beat has reached the database before `start` returns"
    assert machine.show(ONE, "ActiveState", "StatusText", "NRestarts") == ["active", "0 of 10 slots at work", "0"]
    job = add(engine, "effect", until="go")
    eventually(lambda: machine.show(ONE, "StatusText") == ["1 of 10 slots at work"])
    release(machine)
    wait_for_state(engine, job)
    failed = add(engine, "exits", times=0, m="not a number")
    wait_for_state(engine, failed, "error")
    [entry] = eventually(lambda: machine.journal(f"BOOKBOT_JOB_ID={failed}", "BOOKBOT_EVENT=job.settled"))
    assert (entry["PRIORITY"], entry["BOOKBOT_STATE"]) == ("4", "error")
    assert (entry["_SYSTEMD_UNIT"], entry["SYSLOG_IDENTIFIER"]) == (f"{ONE}.service", "bookbot-worker")
    [started] = machine.events("worker.started", ONE)
    assert started["PRIORITY"] == "6"
    assert machine.journal("--priority=warning", f"--unit={ONE}") == [entry]


def test_stopping_during_a_job_lets_it_finish(machine: Machine, engine: Engine) -> None:
    machine.run("systemctl", "start", ONE)
    job = add(engine, "effect", until="go")
    wait_for_start(machine, job)
    machine.run("systemctl", "stop", "--no-block", ONE)
    eventually(lambda: machine.show(ONE, "StatusText") == ["draining, 1 of 10 slots at work"])
    assert machine.show(ONE, "ActiveState") == ["deactivating"]
    release(machine)
    eventually(lambda: machine.show(ONE, "ActiveState") == ["inactive"])
    assert machine.show(ONE, "Result", "ExecMainStatus") == ["success", "0"]
    assert (wait_for_state(engine, job).attempt, list(all_workers(engine).values())) == (1, ["stopped"])


def test_a_worker_that_drains_gets_the_time_it_asks_for(machine: Machine, engine: Engine) -> None:
    """TimeoutStopSec is over, and nobody is killed."""
    drop_in(machine, ONE, "TimeoutStopSec=1")
    machine.run("systemctl", "start", ONE)
    job = add(engine, "effect", until="go")
    wait_for_start(machine, job)
    machine.run("systemctl", "stop", "--no-block", ONE)

    def is_over() -> bool:
        began = int(machine.show(ONE, "StateChangeTimestampMonotonic")[0]) / 1e6
        return float(machine.run("cat", "/proc/uptime").split()[0]) - began > 4

    eventually(lambda: machine.show(ONE, "ActiveState") == ["deactivating"])
    eventually(is_over)
    assert machine.show(ONE, "ActiveState") == ["deactivating"]
    release(machine)
    eventually(lambda: machine.show(ONE, "ActiveState") == ["inactive"])
    assert machine.show(ONE, "Result") == ["success"]
    assert wait_for_state(engine, job).attempt == 1


def test_a_job_that_outlasts_the_drain_time_goes_back_and_runs_after_the_next_start(
    machine: Machine, engine: Engine
) -> None:
    drop_in(machine, ONE, "Environment=BOOKBOT_DRAIN_SECONDS=0.5")
    machine.run("systemctl", "start", ONE)
    job = add(engine, "effect", until="go")
    wait_for_start(machine, job)
    machine.run("systemctl", "stop", ONE)
    assert machine.show(ONE, "ActiveState", "Result", "ExecMainStatus") == ["inactive", "success", "0"]
    given_back = row(engine, job)
    assert (given_back.state, given_back.attempt, given_back.losses) == ("waiting", 0, 0)
    machine.run("systemctl", "start", ONE)
    wait_for_start(machine, job, times=2)
    release(machine)
    assert wait_for_state(engine, job).attempt == 1


def test_a_loop_that_hangs_is_killed_by_the_watchdog_and_its_jobs_run_again(machine: Machine, engine: Engine) -> None:
    """It hangs when it claims for the second time; so does its successor, if it has to claim twice."""
    drop_in(
        machine,
        ONE,
        "WatchdogSec=3",
        "Environment=BOOKBOT_TEST_FAILPOINT=claim.sent:hang:2 BOOKBOT_DATABASE_TIMEOUT_SECONDS=0.5",
    )
    machine.run("systemctl", "start", ONE)
    hung = add(engine, "hangs", times=1)
    wait_for_start(machine, hung)
    wanted = add(engine, "effect")
    assert wait_for_state(engine, hung).losses == 1
    wait_for_state(engine, wanted)
    assert int(machine.show(ONE, "NRestarts")[0]) >= 1
    said = [entry["MESSAGE"] for entry in machine.journal(f"--unit={ONE}")]
    assert f"{ONE}.service: Failed with result 'watchdog'." in said
    assert any("in _hang" in line for line in said), "the stacks tell where"


def test_after_a_crash_the_successor_takes_the_jobs_over_at_once(machine: Machine, engine: Engine) -> None:
    """Not when the lease is over, which has two minutes."""
    drop_in(machine, ONE, "Environment=BOOKBOT_LEASE_SECONDS=120")
    machine.run("systemctl", "start", ONE)
    job = add(engine, "effect", until="go")
    wait_for_start(machine, job)
    with Session(engine) as session:
        [lease_until] = session.scalars(select(WorkerRow.lease_until))
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", ONE)
    wait_for_start(machine, job, times=2)
    started_at = row(engine, job).started_at
    assert lease_until is not None
    assert started_at is not None
    assert started_at < lease_until
    release(machine)
    ended = wait_for_state(engine, job)
    assert (ended.attempt, ended.losses) == (2, 1)
    assert machine.show(ONE, "ActiveState", "NRestarts") == ["active", "1"]


def test_a_wrong_setting_is_said_once_and_not_tried_again(machine: Machine) -> None:
    drop_in(machine, ONE, "Environment=BOOKBOT_CONCURRENCY=many")
    machine.run("systemctl", "start", ONE, check=False)
    assert machine.show(ONE, "ActiveState", "ExecMainStatus", "NRestarts") == ["failed", "78", "0"]
    assert any("BOOKBOT_CONCURRENCY" in entry["MESSAGE"] for entry in machine.journal(f"--unit={ONE}"))


def test_the_target_starts_restarts_and_stops_all_instances_and_the_web(machine: Machine, engine: Engine) -> None:
    port = free_port()
    serve_web_at(machine, port)
    machine.write("/etc/credstore/web-token", "a-token-nobody-guesses")
    machine.run("systemctl", "enable", "bookbot.target", WEB, ONE, TWO)
    machine.run("systemctl", "start", "bookbot.target")
    host = machine.run("hostname")
    eventually(lambda: all_workers(engine) == {f"{host}-1": "running", f"{host}-2": "running"})
    assert eventually(lambda: answer(port, "health")) == 200
    assert (answer(port, "jobs"), answer(port, "jobs", "a-token-nobody-guesses")) == (401, 200)
    before = [machine.main_pid(unit) for unit in (ONE, TWO, WEB)]
    machine.run("systemctl", "restart", "bookbot.target")
    eventually(lambda: machine.show(TWO, "ActiveState") == machine.show(ONE, "ActiveState") == ["active"])
    after = [machine.main_pid(unit) for unit in (ONE, TWO, WEB)]
    assert not set(before) & {*after, 0}
    machine.run("systemctl", "stop", "bookbot.target")
    eventually(lambda: not any(machine.main_pid(unit) for unit in (ONE, TWO, WEB)))
    assert set(all_workers(engine).values()) == {"stopped"}
    assert machine.show(WEB, "Result", "ActiveState") == ["success", "inactive"]


def test_the_sandbox_lets_every_format_be_exported(machine: Machine, engine: Engine) -> None:
    with Session(engine) as session:
        session.add(book := Book(book_id=new_id(), title="The Salt Ledger"))
        values = {"chapter": 1, "position": 1.0, "word_count": 3, "props": {"chapter_title": "One"}}
        session.add(Chunk(chunk_id=new_id(), book_id=book.book_id, type="scene", text="It was raining.", **values))
        session.flush()
        formats = ("markdown", "html", "epub", "docx", "pdf")
        jobs = [
            create_job(job_type="export_book", book_id=book.book_id, props={"format": name}, session=session)
            for name in formats
        ]
        session.commit()
        ids = [job.job_id for job in jobs]
    machine.run("systemctl", "start", ONE)
    assert [wait_for_state(engine, job_id).state for job_id in ids] == ["completed"] * len(formats)
    with Session(engine) as session:
        assert len(session.scalars(select(OutputFile)).all()) == len(formats)


def test_an_empty_database_is_filled_by_the_unit_for_it(machine: Machine, settings: Settings) -> None:
    server = settings.database_url.get_secret_value()
    name = f"empty_{new_id().replace('-', '')[:12]}"
    execute(server, f"CREATE DATABASE {name}")
    try:
        url = with_database(server, name)
        machine.write("/etc/credstore/database-url", url)
        machine.run("systemctl", "start", ONE, check=False)
        assert machine.show(ONE, "ActiveState", "ExecMainStatus") == ["failed", "78"]
        machine.run("systemctl", "start", "bookbot-migrate")
        machine.run("systemctl", "start", ONE)
        engine = make_engine(load_settings(database_url=url))
        assert len(all_workers(engine)) == 1
        engine.dispose()
        machine.run("systemctl", "stop", ONE)
    finally:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_key_of_a_model_is_known_to_the_workers_and_to_nobody_else(
    machine: Machine, engine: Engine, tmp_path: Path
) -> None:
    machine.write("/etc/credstore/llm-api-key", KEY)
    with llm_stub(tmp_path / "record", key=KEY) as stub:
        asks_it = f"BOOKBOT_LLM=openai_compatible BOOKBOT_LLM_BASE_URL={stub.url} BOOKBOT_LLM_MODEL={MODEL}"
        drop_in(machine, ONE, f"Environment={asks_it}")
        with Session(engine) as session:
            book = create_book(session, "The Salt Ledger", "A brief about salt.", "A style: plain.")
            job = create_job(job_type="create_foundation", book_id=book.book_id, session=session)
            session.commit()
            job_id = job.job_id
        serve_web_at(machine, free_port())
        machine.run("systemctl", "start", ONE, WEB)
        wait_for_state(engine, job_id)
        assert stub.record("answered"), "it was let in"
    for unit in (ONE, WEB):
        environment = machine.run("cat", f"/proc/{machine.main_pid(unit)}/environ")
        assert KEY not in environment
        assert KEY not in json.dumps(machine.journal(f"--unit={unit}"))
        assert KEY not in machine.run("systemctl", "show", unit)
    assert KEY in machine.run("cat", f"/run/credentials/{ONE}.service/llm-api-key")
    assert KEY not in machine.run("sh", "-c", f"cat /run/credentials/{WEB}.service/*")


@pytest.mark.parametrize("unit", [ONE, WEB])
def test_systemd_finds_the_units_as_safe_installed_as_in_their_files(machine: Machine, unit: str) -> None:
    said = machine.run("systemd-analyze", "security", "--no-pager", "--threshold=20", f"{unit}.service")
    assert "Overall exposure level" in said


def test_a_secret_is_in_no_environment_and_no_log(machine: Machine, settings: Settings) -> None:
    machine.run("systemctl", "start", ONE)
    environment = machine.run("cat", f"/proc/{machine.main_pid(ONE)}/environ")
    assert "NOTIFY_SOCKET" in environment, "what it was started with"
    url = settings.database_url.get_secret_value()
    assert url not in environment
    assert url not in json.dumps(machine.journal(f"--unit={ONE}"))
