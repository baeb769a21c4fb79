"""A cancel that comes while the worker is leaving: the job is cancelled, and not put back for another worker to run."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from bookbot_worker import BookJob
from shared.settings import Settings
from shared.states import JobState
from tests.support.claims import add_book
from tests.support.racing import cancel, check_end, race
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration


class Lingers(BookJob):
    """Stops when it is asked to, or, with `is_deaf`, does not."""

    may_end = threading.Event()
    started = threading.Semaphore(0)

    def execute(self) -> bool:
        Lingers.started.release()
        if self.job.props["is_deaf"]:
            Lingers.may_end.wait(60)
        else:
            self.wait(timedelta(seconds=60))
        return True


@pytest.fixture
def lingers() -> Iterator[type[Lingers]]:
    Lingers.may_end.clear()
    yield Lingers
    Lingers.may_end.set()


@pytest.mark.parametrize("is_deaf", [False, True], ids=["listens", "is deaf"])
def test_a_job_cancelled_while_its_worker_leaves_is_cancelled(
    settings: Settings, engine: Engine, lingers: type[Lingers], is_deaf: bool
) -> None:
    short = {"drain_seconds": 0, "stop_grace_seconds": 0.1, "poll_seconds": 0.02, "concurrency": 6}
    for _ in range(3):
        lingers.may_end.clear()
        processor = processor_for(settings.model_copy(update=short), lingers)
        with running(processor):
            ids = [enqueue(engine, lingers, book_id=add_book(engine), props={"is_deaf": is_deaf}) for _ in range(6)]
            for _ in ids:
                assert lingers.started.acquire(timeout=20)
            answers = race(processor.stop, *(partial(cancel, engine, job_id) for job_id in ids))[1:]
        assert set(answers) <= {JobState.RUNNING, JobState.CANCELLED}
        eventually(lambda ids=ids: all(row(engine, job_id).completed_at for job_id in ids))
        for job_id in ids:
            check_end(engine, job_id, "cancelled")
        lingers.may_end.set()
