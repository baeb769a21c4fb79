"""`doctor` on set-ups that are broken, each with the advice that mends it, and on one that is well."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from bookbot_worker.cli.main import main
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from shared.clock import db_now_plus
from shared.enqueue import create_job
from shared.models import Schedule, Worker
from shared.queues import pause_queue
from shared.schedules import create_schedule
from tests.support.claims import add_worker
from tests.support.doctoring import SECRET, doctor, live_worker

pytestmark = pytest.mark.acceptance


def enqueue(engine: Engine, **values: Any) -> str:
    with Session(engine) as session, session.begin():
        return create_job(job_type="demo", session=session, **values).job_id


@pytest.mark.usefixtures("environment")
def test_all_is_well(engine: Engine) -> None:
    live_worker(engine)
    enqueue(engine)
    assert doctor(0) == {}
    assert "workers" in CliRunner().invoke(main, ["doctor"]).stdout


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOKBOT_CONCURRENCY", "none")
    found = doctor(1)
    assert "BOOKBOT_CONCURRENCY" in found["settings"]["detail"]
    assert ".env" in found["settings"]["advice"]


def test_job_code_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOKBOT_JOBS", "no_such_module")
    found = doctor(1)["job types"]
    assert "no_such_module" in found["detail"]
    assert "BOOKBOT_JOBS" in found["advice"]


def test_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://someone:{SECRET}@127.0.0.1:1/none")
    found = doctor(1)
    assert set(found) == {"database"}
    assert "start the server, or correct DATABASE_URL" in found["database"]["advice"]
    assert "someone:***@127.0.0.1:1" in found["database"]["detail"]


def test_tables_that_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    assert doctor(1)["schema"]["advice"] == "run: bookbot-worker db upgrade"
    assert not (tmp_path / "none.db").exists()


@pytest.mark.usefixtures("environment")
def test_jobs_that_wait_for_nobody(engine: Engine) -> None:
    enqueue(engine, queue="side")
    assert doctor(1)["workers"]["advice"] == "start one: bookbot-worker run"
    worker = live_worker(engine, queues=["default"])
    found = doctor(1)
    assert set(found) == {"queues"}
    assert "no live worker serves 'side', 1 jobs are due" in found["queues"]["detail"]
    assert found["queues"]["advice"] == "start one: bookbot-worker run --queue side"
    live_worker(engine, job_types=["other"])
    with Session(engine) as session, session.begin():
        session.execute(update_worker(worker, job_types=["other"]))
    assert "no live worker knows it" in doctor(1)["job types"]["detail"]


@pytest.mark.usefixtures("environment")
def test_a_queue_that_is_paused_and_a_worker_in_trouble(engine: Engine) -> None:
    worker = live_worker(engine)
    enqueue(engine)
    with Session(engine) as session, session.begin():
        pause_queue("default", session=session)
    found = doctor(0)
    assert (found["queues"]["level"], found["queues"]["advice"]) == ("warn", "bookbot-worker queues resume default")
    with Session(engine) as session, session.begin():
        session.execute(update_worker(worker, trouble="the disk is full", version="0.0.1"))
    assert "the disk is full" in doctor(1)["workers"]["detail"]


@pytest.mark.usefixtures("environment")
def test_a_job_whose_worker_is_dead(engine: Engine) -> None:
    job_id = enqueue(engine)
    claim(engine, Claimant(add_worker(engine, lease=-5), ("demo",)), 1)
    found = doctor(1)["stuck jobs"]
    assert job_id in found["detail"]
    assert "start a worker" in found["advice"]


@pytest.mark.usefixtures("environment")
def test_a_schedule_nobody_comes_for(engine: Engine) -> None:
    live_worker(engine)
    with Session(engine) as session, session.begin():
        create_schedule("nightly", cron="0 3 * * *", job_type="demo", session=session)
        session.execute(update(Schedule).values(next_run_at=db_now_plus(-600)))
    assert "'nightly' was due" in doctor(1)["schedules"]["detail"]
    with Session(engine) as session, session.begin():
        session.execute(update(Schedule).values(next_run_at=db_now_plus(600), trouble="there is no book"))
    assert "--replace" in doctor(0)["schedules"]["advice"]


@contextmanager
def llm_server(status: int) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == f"Bearer {SECRET}"
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("status", "level", "advice"),
    [(401, "fail", "correct BOOKBOT_LLM_API_KEY"), (404, "warn", "/v1"), (503, "warn", "wait"), (200, "ok", "")],
)
def test_a_key_or_an_address_that_is_wrong(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, status: int, level: str, advice: str
) -> None:
    live_worker(engine)
    with llm_server(status) as url:
        for name, value in (("", "openai_compatible"), ("_BASE_URL", url), ("_MODEL", "m"), ("_API_KEY", SECRET)):
            monkeypatch.setenv(f"BOOKBOT_LLM{name}", value)
        found = doctor(int(level == "fail")).get("llm", {"level": "ok", "advice": ""})
    assert found["level"] == level
    assert advice in found["advice"]


@pytest.mark.usefixtures("environment")
def test_an_llm_that_is_not_there(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    live_worker(engine)
    monkeypatch.setenv("BOOKBOT_LLM", "openai_compatible")
    monkeypatch.setenv("BOOKBOT_LLM_BASE_URL", "http://127.0.0.1:1/v1")
    assert "BOOKBOT_LLM_MODEL" in doctor(1)["llm"]["advice"]
    monkeypatch.setenv("BOOKBOT_LLM_MODEL", "m")
    assert "does not answer" in doctor(1)["llm"]["detail"]


def update_worker(worker_id: str, **values: Any) -> Any:
    return update(Worker).where(Worker.worker_id == worker_id).values(**values)
