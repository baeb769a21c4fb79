"""Budgets, limits shared by workers, and the pause of a provider that fails: jobs wait, at no cost, and go on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.llm import admission, ledger
from shared.clock import db_now_plus
from shared.job_types import RetryPolicy
from shared.models import Book, Job, LlmCall, LlmCircuit
from shared.settings import Settings
from shared.why import explain
from tests.support.claims import add_book
from tests.support.http_author import CENT, HttpAuthor, ask
from tests.support.llm_server import LlmServer, llm_server
from tests.support.running import declare, enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration

PATIENT = RetryPolicy(max_attempts=50, first_delay=timedelta(0), longest_delay=timedelta(0))


@pytest.fixture
def llm(tmp_path: Path) -> Iterator[LlmServer]:
    with llm_server(tmp_path / "llm-witness") as server:
        yield server


class Asks(BaseJob):
    """Asks about each word of its props."""

    def execute(self) -> bool:
        for word in self.job.props.get("words", "one").split():
            ask(self, word)
        return True


def with_(settings: Settings, **given: Any) -> Settings:
    return settings.model_copy(update={f"llm_{name}": value for name, value in given.items()})


def why(engine: Engine, job_id: str) -> str:
    with Session(engine) as session:
        return explain(session, job_id)


def all_completed(engine: Engine, *jobs: str) -> bool:
    return all(row(engine, job).state == "completed" for job in jobs)


def due_now(engine: Engine, job_id: str) -> None:
    """The wait is over."""
    with Session(engine) as session, session.begin():
        session.execute(update(Job).where(Job.job_id == job_id).values(run_at=db_now_plus(0)))


@pytest.mark.parametrize("whose", ["job", "book", "day"])
def test_a_job_over_a_budget_waits_with_that_reason_and_goes_on_when_it_is_raised(
    settings: Settings, engine: Engine, llm: LlmServer, whose: str
) -> None:
    book_id = add_book(engine)
    low = with_(settings, **{f"budget_{whose}_usd": 1.5 * CENT})
    with running(processor_for(low, Asks, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, Asks, book_id=book_id, props={"words": "one two three"})
        eventually(lambda: "over the budget" in str(row(engine, job_id).progress_message))
    assert why(engine, job_id).startswith(f"over the budget of the {whose}: $0.0200 of $0.0150; it is tried again at ")
    job = row(engine, job_id)
    assert (job.state, job.attempt, llm.count("request", "two"), llm.count("request", "three")) == ("waiting", 0, 1, 0)
    due_now(engine, job_id)
    with running(processor_for(settings, Asks, llm=HttpAuthor(llm.url))):
        eventually(lambda: all_completed(engine, job_id))
    assert [llm.count("request", word) for word in ("one", "two", "three")] == [1, 1, 1]
    assert row(engine, job_id).attempt == 1


def test_a_book_may_have_a_budget_of_its_own(
    settings: Settings, engine: Engine, llm: LlmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "OVER_BUDGET_FOR", timedelta(seconds=0.05))
    poor, other = add_book(engine), add_book(engine)

    def grant(usd: float) -> None:
        with Session(engine) as session, session.begin():
            session.get_one(Book, poor).props = {"llm_budget_usd": usd}

    grant(0)
    with running(processor_for(with_(settings, budget_book_usd=1.0), Asks, llm=HttpAuthor(llm.url))):
        jobs = [
            enqueue(engine, Asks, book_id=book, props={"words": name}) for book, name in ((poor, "a"), (other, "b"))
        ]
        eventually(lambda: all_completed(engine, jobs[1]))
        eventually(lambda: "over the budget of the book: $0.00 of $0.00" in str(row(engine, jobs[0]).progress_message))
        assert llm.count("request", "a") == 0
        grant(1)
        eventually(lambda: all_completed(engine, jobs[0]))


def test_workers_share_the_limit_of_calls_in_flight(settings: Settings, engine: Engine, llm: LlmServer) -> None:
    llm.hold()
    limited = with_(settings, max_in_flight=2)
    one, two = (processor_for(limited, Asks, llm=HttpAuthor(llm.url)) for _ in range(2))
    with running(one), running(two):
        jobs = [enqueue(engine, Asks, props={"words": f"word{number}"}) for number in range(6)]
        eventually(lambda: llm.count("request") == 2)
        eventually(lambda: sum(row(engine, job).state == "running" for job in jobs) == 6)
        with Session(engine) as session:
            assert session.query(LlmCall).count() == 2
        llm.release()
        eventually(lambda: all_completed(engine, *jobs), 40)
    assert llm.count("request") == 6
    assert most_at_once(llm) <= 2


def most_at_once(llm: LlmServer) -> int:
    """How many requests the server had in hand at the same time, as its witness saw it."""
    marks = sorted(
        (float(line[-1]), step)
        for event, step in (("request", 1), ("answered", -1))
        for line in llm.witness.read(event)
    )
    most = now = 0
    for _, step in marks:
        now += step
        most = max(most, now)
    return most


def test_a_dead_workers_calls_take_no_place(settings: Settings, engine: Engine, llm: LlmServer) -> None:
    with Session(engine) as session, session.begin():
        dead = {"attempt": 1, "seq": 1, "request_hash": "x", "provider": "p", "model": "offline", "request": {}}
        session.add(
            LlmCall(call_id=add_book(engine), job_id=add_book(engine), claim_id=add_book(engine), status="sent", **dead)
        )
    with running(processor_for(with_(settings, max_in_flight=1), Asks, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, Asks)
        eventually(lambda: all_completed(engine, job_id))


def test_a_job_beyond_the_calls_of_a_minute_gives_its_slot_back(
    settings: Settings, engine: Engine, llm: LlmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "LIMIT_PATIENCE", 0.0)
    with running(processor_for(with_(settings, requests_per_minute=2), Asks, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, Asks, props={"words": "one two three"})
        eventually(lambda: "within a minute" in str(row(engine, job_id).progress_message))
        with Session(engine) as session, session.begin():
            session.execute(update(LlmCall).values(created_at=db_now_plus(-61)))
        due_now(engine, job_id)
        eventually(lambda: all_completed(engine, job_id))
    assert [llm.count("request", word) for word in ("one", "two", "three")] == [1, 1, 1]
    assert row(engine, job_id).attempt == 1


def circuit(engine: Engine) -> LlmCircuit | None:
    with Session(engine) as session:
        return session.scalars(select(LlmCircuit)).one_or_none()


def test_a_provider_that_fails_is_left_alone_then_tried_by_one_and_asked_by_all_again(
    settings: Settings, engine: Engine, llm: LlmServer
) -> None:
    declare(Asks, retry=PATIENT)
    llm.refuse(503)
    careful = with_(settings, pause_after=3, pause_seconds=600.0)
    one, two = (processor_for(careful, Asks, llm=HttpAuthor(llm.url)) for _ in range(2))
    with running(one), running(two):
        first = enqueue(engine, Asks, props={"words": "first"})
        eventually(lambda: "is paused until" in str(row(engine, first).progress_message))
        assert llm.count("request") == 3
        assert why(engine, first).startswith("offline, model offline, is paused until ")
        assert "503" in why(engine, first)
        attempts = row(engine, first).attempt
        assert attempts == 3
        others = [enqueue(engine, Asks, props={"words": f"other{number}"}) for number in range(4)]
        eventually(lambda: all("is paused" in str(row(engine, job).progress_message) for job in others))
        assert (llm.count("request"), row(engine, others[0]).attempt) == (3, 0)
        llm.refuse(0)
        llm.hold()
        with Session(engine) as session, session.begin():
            session.execute(update(LlmCircuit).values(open_until=db_now_plus(0)))
        for job in [first, *others]:
            due_now(engine, job)
        eventually(lambda: llm.count("request") == 4)
        eventually(
            lambda: sum("is being tried" in str(row(engine, job).progress_message) for job in [first, *others]) == 4
        )
        llm.release()
        eventually(lambda: all_completed(engine, first, *others), 40)
    assert circuit(engine) is None
    assert llm.count("request") == 3 + 5
    assert row(engine, first).attempt == 4


def test_a_job_of_another_model_does_not_wait_for_a_paused_one(
    settings: Settings, engine: Engine, llm: LlmServer
) -> None:
    with Session(engine) as session, session.begin():
        paused = LlmCircuit(provider="offline", model="slow-model", failures=9, openings=1, reason="503")
        paused.failed_at = paused.open_until = session.scalar(select(db_now_plus(600)))
        session.add(paused)
    with running(processor_for(settings, Asks, llm=HttpAuthor(llm.url))):
        job_id = enqueue(engine, Asks)
        eventually(lambda: all_completed(engine, job_id))
