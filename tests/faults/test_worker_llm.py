"""Nothing is paid for in vain: a cancelled job hangs up, and a worker that may have been given up asks nothing new."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.llm.client import Completion, Listener, Message, Prompt
from shared.control import cancel_job
from shared.states import JobState
from tests.faults.database import Database
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.llm_server import LlmServer
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.faults


def cancel(database: Database, job_id: str) -> float:
    """Call the running job off; returns when, by `time.monotonic()`."""
    asked_at = time.monotonic()
    with Session(database.engine) as session:
        assert cancel_job(job_id, session=session) is JobState.RUNNING
        session.commit()
    return asked_at


@pytest.mark.parametrize(
    ("job_type", "is_silent"), [("streams_llm", False), ("streams_with_closing", False), ("streams_with_closing", True)]
)
def test_a_cancelled_job_hangs_up_at_once_and_asks_nothing_more(
    database: Database,
    fleet: Fleet,
    llm: LlmServer,
    figures: Callable[[str, float], None],
    job_type: str,
    is_silent: bool,
) -> None:
    llm.stream(0.3)
    if is_silent:
        llm.hold()
    [worker] = fleet.start_many(1)
    job = database.add(job_type, {"llm": llm.url})
    eventually(lambda: llm.count("request", job))
    with watch(database.engine):
        asked_at = cancel(database, job)
        eventually(lambda: llm.count("closed", job))
        database.wait_until_ended([job])
    seconds = float(llm.witness.read("closed", job)[0][-1]) - asked_at
    figures(f"cancel to the end of the LLM's stream, {job_type}, server {'silent' if is_silent else 'talks'}", seconds)
    assert seconds < 10
    assert (database.row(job).state, database.effects(job)) == ("cancelled", [])
    database.wait_until_ended([database.add("effect")])
    assert (llm.count("request"), llm.count("answered")) == (1, 0)
    assert worker.is_alive
    check(database.engine)


@pytest.mark.parametrize("job_type", ["asks_llm", "streams_with_closing"])
def test_a_job_that_was_cancelled_before_it_could_ask_asks_nothing(
    database: Database, fleet: Fleet, llm: LlmServer, job_type: str
) -> None:
    job = database.add(job_type, {"llm": llm.url})
    with Session(database.engine) as session:
        assert cancel_job(job, session=session) is JobState.CANCELLED
        session.commit()
    fleet.start()
    database.wait_until_ended([database.add("effect")])
    assert (llm.count("request"), database.starts(job)) == (0, 0)
    check(database.engine)


def test_a_death_in_the_middle_of_an_answer_costs_one_more_request(
    database: Database, fleet: Fleet, llm: LlmServer
) -> None:
    llm.hold()
    [worker] = fleet.start_many(1)
    job = database.add("asks_llm", {"llm": llm.url})
    eventually(lambda: llm.count("request", job))
    worker.kill()
    fleet.start()
    eventually(lambda: llm.count("request", job) == 2)
    llm.release()
    database.wait_until_ended([job])
    assert (database.row(job).state, database.starts(job)) == ("completed", 2)
    assert [llm.count(event, job) for event in ("request", "closed", "answered")] == [2, 1, 1]
    check(database.engine)


# A worker whose beats do not arrive; in this process, because its own author must be watched


@dataclass
class Author:
    """Counts who asks."""

    asked: list[str] = field(default_factory=list)

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        listener.check()
        self.asked.append(prompt.messages[0].content)
        listener.on_text("a word")
        return Completion("a word", "test", "test", "stop", 1, 1)


class AsksTwice(BaseJob):
    go = threading.Event()

    def execute(self) -> bool:
        self.llm.complete(Prompt((Message("user", "first"),)))
        with self.parked():
            AsksTwice.go.wait(60)
        self.llm.complete(Prompt((Message("user", "second"),)))
        return True


def test_a_worker_whose_beats_fail_asks_no_language_model(database: Database, durable: DurableServer) -> None:
    AsksTwice.go.clear()
    author = Author()
    timings = {"heartbeat_seconds": 0.2, "lease_seconds": 2.0, "database_timeout_seconds": 1.0}
    processor = processor_for(database.settings.model_copy(update=timings), AsksTwice, llm=author)
    job = enqueue(database.engine, AsksTwice)
    with running(processor):
        eventually(lambda: author.asked == ["first"])
        durable.pause()
        eventually(lambda: not processor.lease.is_trusted)
        AsksTwice.go.set()
        eventually(lambda: processor.lease.silent_for > 4)
        assert author.asked == ["first"]
        durable.resume()
        eventually(lambda: row(database.engine, job).completed_at)
    assert author.asked == ["first", "second"]
    assert row(database.engine, job).state == "completed"
