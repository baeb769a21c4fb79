"""Workers that are asked to pause, to go on and to drain, by name."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.errors import Conflict, NotFound
from shared.models import Worker
from shared.settings import Settings
from shared.worker_requests import ask_worker
from tests.support.fleet import Fleet
from tests.support.running import eventually, row

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]


def ask(engine: Engine, name: str, state: str) -> list[str]:
    with Session(engine) as session, session.begin():
        return ask_worker(name, state, session=session)


def state_of(engine: Engine, worker_id: str) -> str | None:
    with Session(engine) as session:
        return session.scalar(select(Worker.state).where(Worker.worker_id == worker_id))


def demo(engine: Engine) -> str:
    with Session(engine) as session, session.begin():
        return create_job(job_type="demo", props={"steps": 1, "seconds": 0}, session=session).job_id


def test_a_worker_pauses_goes_on_and_drains_when_it_is_asked(
    settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    fleet = Fleet(settings, tmp_path)
    try:
        [worker] = fleet.start_many(1)
        [worker_id] = ask(engine, "worker1", "paused")
        eventually(lambda: state_of(engine, worker_id) == "paused")
        job_id = demo(engine)
        worker.wait_for_event("worker.paused")
        assert row(engine, job_id).state == "waiting"
        assert ask(engine, worker_id[:8], "running") == [worker_id]
        eventually(lambda: row(engine, job_id).state == "completed")
        ask(engine, "worker1", "draining")
        assert worker.exit_code() == 0
        assert state_of(engine, worker_id) == "stopped"
        with pytest.raises(Conflict, match="does not run any more"):
            ask(engine, "worker1", "paused")
        with pytest.raises(NotFound):
            ask(engine, "nobody", "paused")
    finally:
        fleet.close()
