"""A provider that says 429 is left alone for as long as it asks, told by `why`, and asked by one job first."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.llm.stub import Rule
from shared.clock import db_now_plus
from shared.job_types import RetryPolicy
from shared.models import Job, LlmCall, LlmCircuit
from shared.settings import Settings
from shared.why import explain
from tests.support.llm_stub import MODEL, RunningStub, client, llm_stub, prompt
from tests.support.running import declare, enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration


class Asks(BaseJob):
    """Asks for a scene; the prop `fault` is provoked."""

    def execute(self) -> bool:
        return self.llm.complete(prompt(self.job.props.get("fault", ""))).finish_reason == "stop"


def why(engine: Engine, job_id: str) -> str:
    with Session(engine) as session:
        return explain(session, job_id)


def test_status_429_opens_the_circuit_for_as_long_as_retry_after_says(
    settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    declare(Asks, retry=RetryPolicy(max_attempts=5))
    rules = [Rule.parse("429@1-2")]
    with llm_stub(tmp_path / "record", rules=rules, retry_after="240") as stub, client(stub.url) as llm:
        host = stub.url[len("http://") : -len("/v1")]
        careful = settings.model_copy(
            update={"llm_base_url": stub.url, "llm_model": MODEL, "llm_pause_after": 2, "llm_pause_seconds": 1.0}
        )
        with running(processor_for(careful, Asks, llm=llm)):
            first, second = (enqueue(engine, Asks) for _ in range(2))
            eventually(lambda: asked(stub) == 2)
            eventually(lambda: all(row(engine, job).state == "waiting" for job in (first, second)))
            late = enqueue(engine, Asks)
            eventually(lambda: "is paused until" in str(row(engine, late).progress_message))
            assert why(engine, late).startswith(f"{host}, model {MODEL}, is paused until ")
            assert "takes no more requests at the moment: Rate limit reached" in why(engine, late)
            assert (asked(stub), row(engine, late).attempt) == (2, 0)
            put_off = row(engine, first).run_at
            assert timedelta(seconds=200) < put_off - datetime.now(UTC) < timedelta(seconds=300)
            with Session(engine) as session, session.begin():
                circuit = session.scalars(select(LlmCircuit)).one()
                assert circuit.open_until is not None
                assert timedelta(seconds=200) < circuit.open_until - datetime.now(UTC) < timedelta(seconds=300)
                session.execute(update(LlmCircuit).values(open_until=db_now_plus(0)))
                session.execute(update(Job).values(run_at=db_now_plus(0)))
            eventually(lambda: all(row(engine, job).state == "completed" for job in (first, second, late)), 40)
    with Session(engine) as session:
        assert session.scalars(select(LlmCircuit)).all() == []
        failed = session.scalars(select(LlmCall).where(LlmCall.status == "failed")).all()
    assert [(call.error_kind, call.cost_usd) for call in failed] == [("rate_limited", None)] * 2
    assert asked(stub) == 5


def asked(stub: RunningStub) -> int:
    return len(stub.record("request"))


def test_a_key_that_is_refused_and_a_prompt_too_long_pause_nobody(
    settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    with llm_stub(tmp_path / "record") as stub, client(stub.url) as llm:
        careful = settings.model_copy(update={"llm_base_url": stub.url, "llm_model": MODEL, "llm_pause_after": 1})
        jobs = [enqueue(engine, Asks, props={"fault": fault}) for fault in ("bad-key", "context", "no-credit")]
        processor_for(careful, Asks, llm=llm).run(until_empty=True)
    assert [row(engine, job).state for job in jobs] == ["error"] * 3
    with Session(engine) as session:
        assert session.scalars(select(LlmCircuit)).all() == []
