"""A worker that must leave hangs up: the second SIGTERM ends the streams, and the jobs go back to the queue."""

import signal
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from shared.models import LlmCall
from tests.support.claims import add_book
from tests.support.fleet import Fleet
from tests.support.llm_stub import llm_stub, worker_environment
from tests.support.product import BRIEF, add_job
from tests.support.running import eventually, row

pytestmark = pytest.mark.acceptance


def test_the_second_sigterm_ends_the_streams_and_gives_the_jobs_back(
    engine: Engine, fleet: Fleet, tmp_path: Path
) -> None:
    with llm_stub(tmp_path / "record", words_per_second=5) as stub:
        worker = fleet.start(env=worker_environment(stub.url))
        jobs = [add_job(engine, "create_foundation", add_book(engine), props={"brief": BRIEF}) for _ in range(3)]
        eventually(lambda: len(stub.record("request")) == 3)
        worker.signal(signal.SIGTERM)
        worker.wait_for_event("worker.stopping")
        assert stub.record("answered") == []
        worker.signal(signal.SIGTERM)
        worker.exit_code()
        eventually(lambda: len(stub.record("answered")) == 3, 5)
    assert [line["aborted"] for line in stub.record("answered")] == [True] * 3
    assert {(row(engine, job).state, row(engine, job).worker_id) for job in jobs} == {("waiting", None)}
    with Session(engine) as session:
        calls = session.scalars(select(LlmCall)).all()
    assert [(call.status, call.error_kind, call.is_estimate) for call in calls] == [("failed", "cancelled", True)] * 3
