"""Retry and Snooze, from the job that raises them to its last attempt."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, Retry, Snooze
from shared.ids import new_id
from shared.job_types import RetryPolicy
from shared.models import Book
from shared.settings import Settings
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration


class TriesAgain(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="must not be written"))
        raise Retry("not yet", timedelta(0))


def test_retries_count_attempts_and_the_last_is_an_error(settings: Settings, engine: Engine) -> None:
    processor = processor_for(settings, TriesAgain, retry=RetryPolicy(max_attempts=3))
    job_id = enqueue(engine, TriesAgain)
    processor.run(until_empty=True)
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.error_message) == ("error", 3, "not yet (this was attempt 3 of 3)")
    with Session(engine) as session:
        assert session.scalars(select(Book.title)).all() == []


class SnoozesTwice(BaseJob):
    seen = 0

    def execute(self) -> bool:
        type(self).seen += 1
        if self.seen < 3:
            raise Snooze(timedelta(0), "in a moment")
        return True


def test_a_snooze_costs_no_attempt(settings: Settings, engine: Engine) -> None:
    SnoozesTwice.seen = 0
    processor = processor_for(settings, SnoozesTwice)
    job_id = enqueue(engine, SnoozesTwice)
    with running(processor):
        eventually(lambda: row(engine, job_id).completed_at)
    assert (row(engine, job_id).state, row(engine, job_id).attempt, SnoozesTwice.seen) == ("completed", 1, 3)
