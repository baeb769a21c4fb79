"""Each guard of a worker's own part in the one schedule that needs it; see test_guards.py."""

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.at_work import AtWork
from bookbot_worker.attempt import Attempt
from bookbot_worker.cancellation import StopReason
from bookbot_worker.condition import Condition
from bookbot_worker.execution import execute
from bookbot_worker.jobs.job_llm import Desk
from bookbot_worker.lease import Lease, boot_clock
from bookbot_worker.llm.client import Completion, Listener, Message, Prompt
from bookbot_worker.maintenance.heartbeat import Heartbeat
from bookbot_worker.outcomes import Completed
from bookbot_worker.queue import settle
from bookbot_worker.queue.workers import Beat, describe_worker
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings, load_settings
from tests.support.claims import claimed
from tests.support.lost import Plain
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


# Beats


def test_after_a_beat_that_failed_the_silence_of_others_means_nothing_for_a_whole_lease(tmp_path: Any) -> None:
    clock = Clock()
    lease = Lease(20, clock)
    for _ in range(10):
        clock.now += 4
        lease.renewed(clock.now)
    assert lease.has_seen_others_beat
    settings = Settings(database_url=SecretStr(f"sqlite:///{tmp_path}/no-tables.db"))
    engine = make_engine(settings)
    worker = describe_worker(new_id(), settings, ("plain",))
    Heartbeat(engine, worker, lease, Condition(lease, lambda: None, 60), 4).run_once()
    assert lease.is_trusted
    assert not lease.has_seen_others_beat
    engine.dispose()


@pytest.fixture
def attempt(engine: Engine) -> Attempt:
    """A job that has just been claimed."""
    enqueue(engine, Plain)
    (attempt,) = claimed(engine, new_id(), Plain)
    return attempt


def test_a_job_that_was_claimed_while_the_beat_was_under_way_is_not_taken_for_lost(attempt: Attempt) -> None:
    at_work = AtWork(lambda: None, grace=1.0)
    at_work.add([attempt])
    at_work.heed(Beat(), sent_at=attempt.opened_at - 0.001)
    assert attempt.stop.reason is None
    at_work.heed(Beat(), sent_at=boot_clock() + 0.001)
    assert attempt.stop.reason is StopReason.LOST


def test_a_job_that_is_being_settled_is_not_taken_for_lost(attempt: Attempt) -> None:
    """The database may have counted it out because it has ended, just before it said so."""
    at_work = AtWork(lambda: None, grace=1.0)
    at_work.add([attempt])
    assert attempt.takes_the_end()
    at_work.heed(Beat(), sent_at=boot_clock() + 0.001)
    assert attempt.stop.reason is None


# Money


class Asks(BaseJob):
    def execute(self) -> bool:
        self.llm.complete(Prompt((Message("user", "Go on."),)))
        return True


class Author:
    """Counts how often it is asked."""

    asked = 0

    def complete(self, _prompt: Prompt, _listener: Listener) -> Completion:
        self.asked += 1
        return Completion("Done.", "nobody", "none", "stop", 1, 1)


@pytest.mark.parametrize("ends", ["with a beat", "with a cancel"])
def test_no_call_that_costs_money_begins_before_the_worker_is_sure_of_its_lease(engine: Engine, ends: str) -> None:
    enqueue(engine, Asks)
    (attempt,) = claimed(engine, new_id(), Asks)
    author, clock = Author(), Clock()
    attempt.desk, attempt.lease = Desk(author, engine, load_settings()), Lease(20, clock)
    attempt.lease.renewed(clock.now - 16)
    outcomes: list[object] = []
    thread = threading.Thread(target=lambda: outcomes.append(execute(attempt)))
    thread.start()
    thread.join(0.6)  # three looks at the lease
    assert (author.asked, outcomes) == (0, [])
    if ends == "with a beat":
        attempt.lease.renewed(clock.now)
    else:
        attempt.stop.fire(StopReason.CANCEL)
    thread.join(20)
    attempt.unit.discard()
    assert author.asked == (1 if ends == "with a beat" else 0)
    assert isinstance(outcomes[0], Completed) is (ends == "with a beat")


# Commits in doubt


class Writes(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title=f"written by attempt {self.job.attempt}"))
        return True


def titles(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return sorted(session.scalars(select(Book.title)))


def once(monkeypatch: pytest.MonkeyPatch, place: str, act: Any) -> None:
    """`act` is done at the first job that comes to this place in its settle."""
    is_done = SimpleNamespace(value=False)

    def reach(name: str) -> None:
        if name == place and not is_done.value:
            is_done.value = True
            act()

    monkeypatch.setattr(settle, "reach", reach)


def test_a_job_whose_flush_went_down_with_its_connection_is_not_settled_without_it(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(postgres_settings, application="administrator")
    in_transaction = "application_name LIKE 'bookbot-worker%' AND state = 'idle in transaction'"
    terminate = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {in_transaction}"  # noqa: S608

    def cut() -> None:
        with engine.connect() as connection:
            assert True in connection.scalars(text(terminate)).all()  # a beat may be under way as well

    once(monkeypatch, "settle.flushed", cut)
    with running(processor_for(postgres_settings, Writes)):
        job_id = enqueue(engine, Writes)
        eventually(lambda: row(engine, job_id).completed_at)
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.interruptions) == ("completed", 2, 1)
    assert titles(engine) == ["written by attempt 2"]
    engine.dispose()


def test_a_commit_whose_answer_was_lost_is_confirmed_and_nothing_is_done_again(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose() -> None:
        raise OperationalError("COMMIT", None, psycopg.OperationalError("lost"), connection_invalidated=True)

    once(monkeypatch, "settle.acked", lose)
    with structlog.testing.capture_logs() as seen, running(processor_for(settings, Writes)):
        job_id = enqueue(engine, Writes)
        eventually(lambda: [event for event in seen if event["event"] == "job.commit_confirmed"])
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.interruptions) == ("completed", 1, 0)
    assert titles(engine) == ["written by attempt 1"]
    assert not [event for event in seen if event["event"] == "job.lost_claim"]


# Threads that do not stop


class Deaf(BaseJob):
    """Waits without looking at its token; then tries to use the connection it had."""

    go = threading.Event()
    ended: list[str] = []  # noqa: RUF012 - what became of the threads

    def execute(self) -> bool:
        connection = self.session.connection()
        connection.execute(select(Book.title)).all()
        Deaf.go.wait(60)
        try:
            connection.execute(select(Book.title)).all()
        except BaseException as error:
            Deaf.ended.append(type(error).__name__)
            raise
        return True


def test_a_thread_that_was_parted_with_is_told_so_by_what_it_asks_next(postgres_settings: Settings) -> None:
    """By an exception that `except Exception` lets pass, not by one that reads like an outage."""
    Deaf.go.clear()
    Deaf.ended.clear()
    engine = make_engine(postgres_settings)
    short = postgres_settings.model_copy(update={"stop_grace_seconds": 0.1, "concurrency": 4})
    with running(processor_for(short, Deaf, timeout=timedelta(seconds=0.1))) as processor:
        job_id = enqueue(engine, Deaf)
        eventually(lambda: row(engine, job_id).completed_at)
        Deaf.go.set()
        eventually(lambda: Deaf.ended and processor.condition.leaked == 0)
    assert Deaf.ended == ["JobCancelled"]
    assert row(engine, job_id).state == "error"
    engine.dispose()
