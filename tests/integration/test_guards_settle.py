"""Each guard of the end of a job in the one schedule that needs it; see test_guards.py."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from bookbot_worker.outcomes import Completed, Failed, Postponed
from bookbot_worker.queue.group import settle_group
from bookbot_worker.queue.rescue import rescue
from bookbot_worker.queue.settle import settle_alone, settle_together
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book, Job, JobDependency
from shared.settings import Settings
from tests.support.claims import add_book, claimed, log_of, somebody_waits
from tests.support.lost import OnABook, Plain, lost
from tests.support.running import enqueue, eventually, row

pytestmark = pytest.mark.integration


@pytest.fixture
def other(postgres_settings: Settings) -> Iterator[Engine]:
    """Somebody else's engine, on PostgreSQL."""
    engine = make_engine(postgres_settings)
    yield engine
    engine.dispose()


def test_the_jobs_row_is_locked_before_anything_the_job_has_written(postgres_settings: Settings, other: Engine) -> None:
    """A rescue holds the job's row and then wants the book's: in the other order the two would deadlock."""
    engine = make_engine(postgres_settings)
    attempt, _ = lost(engine, OnABook, book_id=add_book(engine))
    attempt.unit.session.get_one(Book, attempt.holder.book_id).title = "written"
    settling = threading.Thread(target=settle_alone, args=(attempt.unit, attempt.settlement(Completed())))
    with other.connect() as rescuing:
        rescuing.execute(select(Job.job_id).with_for_update())
        settling.start()
        eventually(lambda: somebody_waits(engine))
        rescuing.execute(select(Book.book_id).with_for_update(nowait=True))
        rescuing.rollback()
    settling.join(20)
    attempt.unit.discard()
    assert row(engine, attempt.job_id).state == "completed"
    engine.dispose()


def test_of_a_lost_claim_in_a_group_nothing_is_written(engine: Engine) -> None:
    """No line, no dependency, no end of those that wait for it."""
    attempts = [lost(engine)[0] for _ in range(3)]
    waits = [enqueue(engine, Plain, depends_on=[attempt.job_id], priority=-1) for attempt in attempts]
    for attempt in attempts:
        attempt.add_line("the last line")
    failed, put_off, good = attempts
    with engine.begin() as connection:
        lost_claims = Job.job_id.in_([failed.job_id, put_off.job_id])
        connection.execute(update(Job).where(lost_claims).values(state="waiting", worker_id=None))
    group = [
        failed.settlement(Failed("no")),
        put_off.settlement(Postponed(timedelta(0), "later", awaits=(good.job_id,))),
        good.settlement(Completed()),
    ]
    assert settle_together(engine, group) == {good.job_id}
    assert [len(log_of(engine, attempt.job_id)) for attempt in attempts] == [0, 0, 1]
    assert [row(engine, job_id).state for job_id in waits] == ["waiting"] * 3
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(JobDependency)) == 3


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_settle_that_had_been_committed_before_is_recognised_by_its_claim(engine: Engine, is_ours: bool) -> None:
    attempt, dead = lost(engine)
    if not is_ours:
        rescue(engine, dead)
    (ending,) = [attempt] if is_ours else claimed(engine, new_id(), Plain)
    settle_together(engine, [ending.settlement(Completed())])
    group = settle_group(engine, [attempt.settlement(Completed())])
    assert (group.settled, group.refused, group.confirmed) == (set(), {}, {attempt.job_id} if is_ours else set())
