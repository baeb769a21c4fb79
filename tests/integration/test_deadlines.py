"""Time limits, and threads that do not stop: their jobs end, what they held is free, and they can do nothing more."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bookbot_worker.jobs.base import BaseJob, BookJob
from shared.control import cancel_job
from shared.ids import new_id
from shared.models import Book, Job
from shared.settings import Settings
from tests.support.claims import add_book
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration

SHORT = {"stop_grace_seconds": 0.2, "heartbeat_seconds": 0.2, "lease_seconds": 10.0, "concurrency": 4}
LIMIT = timedelta(seconds=0.3)


class Waits(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="must not be written"))
        self.wait(timedelta(seconds=60))
        return True


class Quick(BaseJob):
    def execute(self) -> bool:
        return True


class Hangs(BookJob):
    """Waits without looking at its token, after sending a write or not; then goes on as if all was well."""

    go = threading.Event()
    started = threading.Semaphore(0)
    ended: list[str] = []  # noqa: RUF012 - what became of the threads
    sends = False

    def execute(self) -> bool:
        self.book.title = "by the hung job"
        if Hangs.sends:
            self.session.flush()
        else:
            self.session.query(Book).all()
        Hangs.started.release()
        Hangs.go.wait(60)
        try:
            self.session.add(Book(book_id=new_id(), title="must not be written"))
            self.session.flush()
            self.log("must not be logged")
        except BaseException as error:
            Hangs.ended.append(type(error).__name__)
            raise
        Hangs.ended.append("reached the end")
        return True


@pytest.fixture(params=[False, True], ids=["has read", "has sent a write"])
def hangs(request: pytest.FixtureRequest) -> Iterator[type[Hangs]]:
    Hangs.go.clear()
    Hangs.started = threading.Semaphore(0)
    Hangs.ended.clear()
    Hangs.sends = request.param
    yield Hangs
    Hangs.go.set()


def titles(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return sorted(session.scalars(select(Book.title)))


def test_a_job_that_runs_too_long_is_asked_to_stop_and_says_so(settings: Settings, engine: Engine) -> None:
    processor = processor_for(settings.model_copy(update=SHORT), Waits, timeout=LIMIT)
    with running(processor):
        job_id = enqueue(engine, Waits)
        eventually(lambda: row(engine, job_id).completed_at)
    job = row(engine, job_id)
    assert (job.state, job.error_message) == ("error", "The job ran longer than its limit of 0.3 s.")
    assert lines(engine, job_id) == ["The job ran longer than its limit of 0.3 s."]
    assert titles(engine) == []
    assert processor.exit_code == 0


def test_the_deadline_can_be_seen_while_it_runs(settings: Settings, engine: Engine) -> None:
    with running(processor_for(settings.model_copy(update=SHORT), Waits, timeout=timedelta(minutes=20))):
        job_id = enqueue(engine, Waits)
        eventually(lambda: row(engine, job_id).state == "running")
        job = row(engine, job_id)
        assert job.deadline_at is not None
        assert job.started_at is not None
        assert abs(job.deadline_at - job.started_at - timedelta(minutes=20)) < timedelta(seconds=1)
        with Session(engine) as session, session.begin():
            cancel_job(job_id, session=session)
        eventually(lambda: row(engine, job_id).state == "cancelled")
    assert row(engine, job_id).deadline_at is None


def test_a_thread_that_does_not_stop_is_parted_with_and_the_rest_goes_on(
    settings: Settings, engine: Engine, hangs: type[Hangs]
) -> None:
    book_id = add_book(engine, "as it was")
    processor = processor_for(settings.model_copy(update=SHORT), hangs, Quick, timeout=LIMIT)
    with running(processor), structlog.testing.capture_logs() as seen:
        job_id = enqueue(engine, hangs, book_id=book_id)
        eventually(lambda: row(engine, job_id).completed_at)
        job = row(engine, job_id)
        assert job.state == "error"
        assert job.error_message == (
            "The job ran longer than its limit of 0.3 s. It did not stop when it was asked to, and was given up."
        )
        with engine.begin() as connection:  # the row is not locked, the book neither, and nothing was written
            free = update(Book).where(Book.locked_by_job_id.is_(None)).values(props={"edited": True})
            assert connection.execute(free).rowcount == 1
        assert titles(engine) == ["as it was"]
        eventually(lambda: processor.condition.leaked == 1)
        others = [enqueue(engine, Quick) for _ in range(20)]
        eventually(lambda: all(row(engine, other).state == "completed" for other in others))
        hangs.go.set()
        eventually(lambda: hangs.ended and processor.condition.leaked == 0)
    assert hangs.ended != ["reached the end"]
    assert titles(engine) == ["as it was"]
    assert "must not be logged" not in lines(engine, job_id)
    assert row(engine, job_id).error_message == job.error_message
    assert [event["event"] for event in seen if event["event"] in ("job.timeout", "job.fenced_out")] == [
        "job.timeout",
        "job.fenced_out",
    ]
    assert processor.exit_code == 0


def test_a_cancelled_job_that_does_not_stop_is_cancelled_all_the_same(
    settings: Settings, engine: Engine, hangs: type[Hangs]
) -> None:
    if engine.dialect.name == "sqlite":
        hangs.sends = False  # with the only writer hung, nobody could even ask; its time limit is what helps
    book_id = add_book(engine, "as it was")
    processor = processor_for(settings.model_copy(update=SHORT), hangs)
    with running(processor):
        job_id = enqueue(engine, hangs, book_id=book_id)
        assert hangs.started.acquire(timeout=20)
        with Session(engine) as session, session.begin():
            cancel_job(job_id, session=session)
        eventually(lambda: row(engine, job_id).state == "cancelled")
        assert titles(engine) == ["as it was"]
        hangs.go.set()
        eventually(lambda: hangs.ended)
    assert row(engine, job_id).state == "cancelled"
    assert titles(engine) == ["as it was"]


def test_when_half_the_slots_are_lost_the_worker_drains_and_asks_for_a_new_process(
    settings: Settings, engine: Engine, hangs: type[Hangs]
) -> None:
    if engine.dialect.name == "sqlite":
        hangs.sends = False  # the second would wait for the only writer, and end with it
    processor = processor_for(settings.model_copy(update=SHORT), hangs, Quick, timeout=LIMIT)
    with running(processor):
        jobs = [enqueue(engine, hangs, book_id=add_book(engine)) for _ in range(2)]
        eventually(lambda: all(row(engine, job).completed_at for job in jobs))
        eventually(lambda: processor.exit_code)
        later = enqueue(engine, Quick)
    assert processor.exit_code == 75
    assert row(engine, later).state == "waiting"
    assert {row(engine, job).state for job in jobs} == {"error"}


def test_more_threads_can_hang_than_there_are_connections(settings: Settings, engine: Engine) -> None:
    """What a lost thread holds is taken from it: eight would else use up all connections of jobs."""
    Hangs.go.clear()
    Hangs.sends = False
    many = settings.model_copy(update=SHORT | {"concurrency": 40})
    processor = processor_for(many, Hangs, Reads, timeout=LIMIT)
    with running(processor):
        hung = [enqueue(engine, Hangs, book_id=add_book(engine)) for _ in range(12)]
        eventually(lambda: all(row(engine, job).state == "error" for job in hung), 60)
        others = [enqueue(engine, Reads) for _ in range(12)]
        eventually(lambda: all(row(engine, job).completed_at for job in others))
        Hangs.go.set()
    assert {row(engine, job).state for job in others} == {"completed"}


class Reads(BaseJob):
    def execute(self) -> bool:
        return self.session.query(Job).count() > 0


def test_at_the_end_of_the_drain_a_hung_thread_s_job_goes_back_and_holds_nothing(
    settings: Settings, engine: Engine, hangs: type[Hangs]
) -> None:
    quick = settings.model_copy(update=SHORT | {"drain_seconds": 0.1})
    book_id = add_book(engine, "as it was")
    with running(processor_for(quick, hangs)):
        job_id = enqueue(engine, hangs, book_id=book_id)
        assert hangs.started.acquire(timeout=20)
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.losses) == ("waiting", 0, 0)
    hangs.go.set()
    eventually(lambda: hangs.ended)
    assert titles(engine) == ["as it was"]
