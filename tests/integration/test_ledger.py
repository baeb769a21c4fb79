"""The ledger, with a real HTTP server as witness: what was paid for is kept, and asked for once."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, Retry, Snooze
from shared.control import cancel_job, retry_job
from shared.database import make_engine
from shared.job_types import RetryPolicy
from shared.llm_prices import TokenPrice
from shared.models import Book, Job, LlmCall
from shared.settings import Settings
from shared.views import cost_of_day, cost_of_job, get_job, job_calls, list_costs
from tests.integration.test_settling_outage import outage
from tests.support.http_author import CENT, HttpAuthor, ask
from tests.support.llm_server import TEXT, LlmServer, llm_server
from tests.support.running import declare, enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration

AT_ONCE = RetryPolicy(max_attempts=10, first_delay=timedelta(0), longest_delay=timedelta(0))


@pytest.fixture
def llm(tmp_path: Path) -> Iterator[LlmServer]:
    with llm_server(tmp_path / "llm-witness") as server:
        yield server


def calls(engine: Engine, job_id: str) -> list[LlmCall]:
    with Session(engine) as session:
        query = select(LlmCall).where(LlmCall.job_id == job_id).order_by(LlmCall.created_at, LlmCall.call_id)
        return list(session.scalars(query))


def statuses(engine: Engine, job_id: str) -> list[str]:
    return [call.status for call in calls(engine, job_id)]


class AsksOnce(BaseJob):
    def execute(self) -> bool:
        ask(self, "one")
        return True


def test_a_request_is_on_record_before_it_leaves_and_its_answer_when_the_job_goes_on(
    settings: Settings, engine: Engine, llm: LlmServer
) -> None:
    llm.hold()
    with running(processor_for(settings, AsksOnce, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, AsksOnce)
        eventually(lambda: llm.count("request", "one"))
        [call] = calls(engine, job_id)
        assert (call.status, call.response, call.claim_id) == ("sent", None, row(engine, job_id).claim_id)
        assert call.request["messages"][1] == {"role": "user", "content": "one"}
        llm.release()
        eventually(lambda: row(engine, job_id).completed_at)
    [call] = calls(engine, job_id)
    assert (call.status, call.provider, call.answered_model, call.finish_reason) == (
        "done", "test", "test-model-1", "stop",
    )  # fmt: skip
    assert (str(call.response).strip(), call.cost_usd, call.cost_source) == (TEXT, CENT, "provider")
    assert (call.input_tokens, call.output_tokens, call.is_estimate) == (10, len(TEXT.split()), False)
    assert call.latency_ms is not None
    assert row(engine, job_id).cost_usd == pytest.approx(CENT)
    with Session(engine) as session:
        assert cost_of_job(session, job_id)["cost_usd"] == cost_of_day(session)["cost_usd"] == pytest.approx(CENT)
        [by_model] = list_costs(session, by="model")
        assert (by_model["model"], by_model["calls"]) == ("test-model-1", 1)
        [today] = list_costs(session, by="day")
        assert str(today["day"]) == str(call.created_at.date())


class GoesWrong(BaseJob):
    """Asks three times, twice the same; its first runs end in all the ways that are not the end."""

    heard: ClassVar[list[str]]

    def execute(self) -> bool:
        GoesWrong.heard = []
        self.session.add(Book(book_id=str(self.job.claim_id), title="dropped with the run"))
        ask(self, "same")
        ask(self, "same", GoesWrong.heard)
        ask(self, "other")
        said = Path(self.job.props["runs"])
        runs = len(said.read_text()) if said.exists() else 0
        said.write_text("x" * (runs + 1))
        if runs == 0:
            raise Retry("once more", after=timedelta(0))
        if runs == 1:
            raise Snooze(timedelta(0), "a nap")
        if runs == 2:
            raise RuntimeError("by hand, please")
        return True


def test_a_job_that_runs_again_gets_its_answers_again_for_free(
    settings: Settings, engine: Engine, llm: LlmServer, tmp_path: Path
) -> None:
    declare(GoesWrong, retry=AT_ONCE)
    with running(processor_for(settings, GoesWrong, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, GoesWrong, props={"runs": str(tmp_path / "runs")})
        eventually(lambda: row(engine, job_id).completed_at)
        assert "by hand" in str(row(engine, job_id).error_message)
        with Session(engine) as session, session.begin():
            retry_job(job_id, session=session)
        eventually(lambda: row(engine, job_id).state == "completed")
    assert [llm.count("request", word) for word in ("same", "other")] == [2, 1]
    assert [call.occurrence for call in calls(engine, job_id)] == [1, 2, 1]
    assert statuses(engine, job_id) == ["done"] * 3
    assert "".join(GoesWrong.heard).strip() == TEXT
    assert sum("from the ledger, for free" in line for line in lines(engine, job_id)) == 9
    assert row(engine, job_id).cost_usd == pytest.approx(3 * CENT)


def test_a_fresh_retry_asks_anew_and_keeps_what_was_said(settings: Settings, engine: Engine, llm: LlmServer) -> None:
    with running(processor_for(settings, AsksOnce, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, AsksOnce)
        for fresh in (False, True, False):
            eventually(lambda: row(engine, job_id).state == "completed")
            with Session(engine) as session, session.begin():
                retry_job(job_id, fresh=fresh, session=session)
        eventually(lambda: row(engine, job_id).state == "completed")
    assert llm.count("request", "one") == 2
    with Session(engine) as session:
        assert [call["is_ignored"] for call in job_calls(session, job_id)] == [True, False]
        assert get_job(session, job_id)["rolled_cost_usd"] == pytest.approx(2 * CENT)


class FailsFirst(BaseJob):
    """Asks again at once when it gets no answer."""

    def execute(self) -> bool:
        try:
            ask(self, "one")
        except Retry:
            FailsFirst.server.refuse(0)
            ask(self, "one")
        raise Retry("and again", after=timedelta(0)) if self.job.attempt == 1 else Done

    server: ClassVar[LlmServer]


class Done(Exception):
    """The end of the test's job."""


def test_a_call_that_failed_is_on_record_and_its_repetition_answers_later_runs(
    settings: Settings, engine: Engine, llm: LlmServer
) -> None:
    llm.refuse(503)
    FailsFirst.server = llm
    declare(FailsFirst, retry=AT_ONCE)
    with running(processor_for(settings, FailsFirst, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, FailsFirst)
        eventually(lambda: row(engine, job_id).completed_at)
    assert (llm.count("request", "one"), llm.count("answered", "one")) == (2, 1)
    failed, done = calls(engine, job_id)
    assert (failed.status, failed.error_kind, failed.cost_usd) == ("failed", "provider_trouble", None)
    assert "503" in str(failed.error)
    assert (done.status, done.occurrence, row(engine, job_id).attempt) == ("done", 1, 2)


class WaitsForWords(BaseJob):
    words: ClassVar[threading.Event]

    def execute(self) -> bool:
        ask(self, "one", heard := _Bell(WaitsForWords.words))
        return bool(heard)


class _Bell(list[str]):
    def __init__(self, bell: threading.Event) -> None:
        super().__init__()
        self._bell = bell

    def append(self, piece: str) -> None:
        super().append(piece)
        self._bell.set()


def test_a_cancelled_call_is_on_record_with_an_estimate(settings: Settings, engine: Engine, llm: LlmServer) -> None:
    WaitsForWords.words = threading.Event()
    llm.stream(0.2)
    priced = settings.model_copy(update={"llm_prices": {"offline": TokenPrice(input=0, output=1e6)}})
    with running(processor_for(priced, WaitsForWords, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, WaitsForWords)
        assert WaitsForWords.words.wait(20)
        with Session(engine) as session, session.begin():
            cancel_job(job_id, session=session)
        eventually(lambda: row(engine, job_id).completed_at)
    [call] = calls(engine, job_id)
    assert (call.status, call.error_kind, call.is_estimate) == ("failed", "cancelled", True)
    assert TEXT.startswith(str(call.response).strip())
    assert (call.cost_usd, call.cost_source) == (call.output_tokens, "user table")
    assert row(engine, job_id).cost_usd == call.cost_usd
    eventually(lambda: llm.count("closed", "one"))


class Flushes(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=self.job.job_id, title="early"))
        self.session.flush()
        ask(self, "one")
        return True


def test_a_job_that_has_sent_writes_is_told_so_where_it_would_keep_the_ledger_from_being_written(
    settings: Settings, engine: Engine, llm: LlmServer
) -> None:
    with running(processor_for(settings, Flushes, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, Flushes)
        eventually(lambda: row(engine, job_id).completed_at)
    if engine.dialect.name == "sqlite":
        assert "must not flush before it asks" in str(row(engine, job_id).error_message)
        assert llm.count("request") == 0
    else:
        assert (row(engine, job_id).state, statuses(engine, job_id)) == ("completed", ["done"])


def test_what_an_earlier_run_has_sent_is_unknown(settings: Settings, engine: Engine, llm: LlmServer) -> None:
    job_id = enqueue(engine, AsksOnce)
    lost = {"attempt": 1, "seq": 1, "request_hash": "x", "provider": "p", "model": "m", "request": {}}
    with Session(engine) as session, session.begin():
        session.add(LlmCall(call_id=job_id, job_id=job_id, claim_id=job_id, status="sent", **lost))
    with Session(engine) as session:
        assert [call["status"] for call in job_calls(session, job_id)] == ["unknown"]
    with running(processor_for(settings, AsksOnce, llm=HttpAuthor(llm.url))):
        eventually(lambda: row(engine, job_id).completed_at)
    assert sorted(statuses(engine, job_id)) == ["done", "unknown"]


def test_an_answer_that_comes_while_the_database_is_away_is_kept_until_it_is_back(
    postgres_settings: Settings, tmp_path: Path
) -> None:
    engine = make_engine(postgres_settings, application="administrator")
    with llm_server(tmp_path / "witness") as llm:
        llm.hold()
        with running(processor_for(postgres_settings, AsksOnce, llm=HttpAuthor(llm.url))) as processor:
            job_id = enqueue(engine, AsksOnce)
            eventually(lambda: llm.count("request", "one"))
            with outage(postgres_settings, engine):
                llm.release()
                eventually(lambda: llm.count("answered", "one"))
                eventually(lambda: processor.condition.outage)
            eventually(lambda: row(engine, job_id).completed_at, 40)
        job = row(engine, job_id)
        assert (job.state, job.attempt, job.interruptions) == ("completed", 1, 0)
        assert (llm.count("request"), statuses(engine, job_id)) == (1, ["done"])
    engine.dispose()


def test_many_jobs_that_ask_at_once_need_few_connections(postgres_settings: Settings, tmp_path: Path) -> None:
    engine = make_engine(postgres_settings, application="administrator")
    with llm_server(tmp_path / "witness") as llm:
        llm.hold()
        many = postgres_settings.model_copy(update={"concurrency": 60})
        with running(processor_for(many, AsksOnce, llm=HttpAuthor(llm.url))):
            jobs = [enqueue(engine, AsksOnce) for _ in range(60)]
            eventually(lambda: llm.count("request", "one") == 60, 40)
            with engine.connect() as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name"
                assert connection.scalar(text(f"{query} LIKE 'bookbot-worker%'")) <= 10
            llm.release()
            eventually(lambda: all(row(engine, job).completed_at for job in jobs), 40)
        with Session(engine) as session:
            assert session.query(Job).filter_by(state="completed").count() == 60
            assert cost_of_day(session)["cost_usd"] == pytest.approx(60 * CENT)
    engine.dispose()


class AsksWhenTold(BaseJob):
    has_begun: ClassVar[threading.Event]
    may_ask: ClassVar[threading.Event]

    def execute(self) -> bool:
        AsksWhenTold.has_begun.set()
        AsksWhenTold.may_ask.wait(60)
        ask(self, "one")
        return True


def test_a_run_that_has_lost_its_job_asks_nothing_more(settings: Settings, engine: Engine, llm: LlmServer) -> None:
    AsksWhenTold.has_begun, AsksWhenTold.may_ask = threading.Event(), threading.Event()
    with running(processor_for(settings, AsksWhenTold, llm=HttpAuthor(llm.url))) as processor:
        job_id = enqueue(engine, AsksWhenTold)
        assert AsksWhenTold.has_begun.wait(20)
        with Session(engine) as session, session.begin():
            session.get_one(Job, job_id).claim_id = job_id
        AsksWhenTold.may_ask.set()
        eventually(lambda: processor._at_work.is_idle)
    assert (llm.count("request"), calls(engine, job_id)) == (0, [])
