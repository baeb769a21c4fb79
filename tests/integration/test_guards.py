"""Each guard of the queue in the one schedule that needs it: `tests/mutants` takes it away, and a test here goes red.

What a race shows now and then is shown here every time: the other one acts just before a chosen statement is sent.
"""

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
import structlog
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker.lease import Lease
from bookbot_worker.maintenance.rescuer import Rescuer
from bookbot_worker.outcomes import Completed
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import _start, claim
from bookbot_worker.queue.rescue import _change, _lock_jobs, _waiting_again, give_back_unknown, rescue
from bookbot_worker.queue.sessions import session_name
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.telemetry.log_writer import LogWriter
from shared.database import make_engine
from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Chunk, Job
from shared.settings import Settings
from shared.states import LockScope
from tests.support.claims import add_book, add_worker, claimed, log_of
from tests.support.lost import Plain, lost
from tests.support.racing import just_before
from tests.support.running import declare, enqueue, eventually, row

pytestmark = pytest.mark.integration


@pytest.fixture
def other(postgres_settings: Settings) -> Iterator[Engine]:
    """Somebody else's engine, on PostgreSQL."""
    engine = make_engine(postgres_settings)
    yield engine
    engine.dispose()


# Claim


TYPES = {"one": LockScope.BOOK, "two": LockScope.BOOK, "part": LockScope.CHUNK, "piece": LockScope.CHUNK}
BEFORE_THE_LOCK = ("FROM books", "FOR NO KEY UPDATE")


@pytest.mark.parametrize("place", [BEFORE_THE_LOCK, ("UPDATE ", "SET locked_by_job_id")], ids=["lock", "write"])
@pytest.mark.parametrize(("first", "second"), [("one", "two"), ("one", "part"), ("part", "one"), ("part", "piece")])
def test_of_two_claimers_of_one_book_one_gets_it_whichever_step_the_other_is_at(
    postgres_settings: Settings, other: Engine, first: str, second: str, place: tuple[str, ...]
) -> None:
    """They know different types of job, so that neither sees the other's as a rival for its batch."""
    for name, scope in TYPES.items():
        catalogue().add(JobType(name, AnyProps, locks=scope))
    engine = make_engine(postgres_settings)
    book_id, chunk_id = add_book(engine), new_id()
    with Session(engine) as session, session.begin():
        session.add(Chunk(chunk_id=chunk_id, book_id=book_id, type="scene"))
        session.flush()
        create_jobs([NewJob(name, book_id=book_id, chunk_id=chunk_id) for name in (first, second)], session=session)
    second_claims = partial(claim, other, Claimant(new_id(), (second,)), 1)
    with just_before(engine, *place, act=second_claims) as returned:
        jobs = claim(engine, Claimant(new_id(), (first,)), 1)
    (also,) = returned
    assert [job.job_type for job in [*jobs, *also]] == [second if place is BEFORE_THE_LOCK else first]
    engine.dispose()


def test_only_what_still_waits_is_started(engine: Engine) -> None:
    job_id = enqueue(engine, Plain)
    claimant = Claimant(new_id(), (declare(Plain),))
    (job,) = claim(engine, claimant, 1)
    with engine.begin() as connection:
        assert _start(connection, claimant, [job_id]) == {}
    assert (row(engine, job_id).claim_id, row(engine, job_id).attempt) == (job.claim_id, 1)


# Rescue


@pytest.mark.parametrize("meanwhile", ["claimed anew", "ended"])
def test_a_rescue_writes_on_no_run_but_the_one_it_has_seen(engine: Engine, meanwhile: str) -> None:
    attempt, dead = lost(engine)
    with engine.begin() as connection:
        (seen,) = _lock_jobs(connection, Job.job_id == attempt.job_id)
    if meanwhile == "claimed anew":
        rescue(engine, dead)
        claimed(engine, new_id(), Plain)
    else:
        settle_together(engine, [attempt.settlement(Completed())])
    before = row(engine, attempt.job_id)
    with engine.begin() as connection:
        assert not _change(connection, seen, _waiting_again("its worker was lost"))
    after = row(engine, attempt.job_id)
    assert (after.state, after.claim_id) == (before.state, before.claim_id)


def test_a_run_that_has_ended_is_not_given_back(engine: Engine) -> None:
    """The answer that told of it was under way for so long."""
    attempt, _ = lost(engine)
    settle_together(engine, [attempt.settlement(Completed())])
    assert give_back_unknown(engine, {attempt.claim_id: attempt.job_id}) == 0
    assert row(engine, attempt.job_id).state == "completed"


def test_a_run_is_not_ended_between_the_look_at_it_and_its_lines(postgres_settings: Settings, other: Engine) -> None:
    engine = make_engine(postgres_settings)
    attempt, dead = lost(engine)
    writer = LogWriter(engine, timedelta(seconds=1))
    writer.watch(attempt.job_log)
    attempt.add_line("in time")
    with just_before(engine, "INSERT INTO job_logs", act=partial(rescue, other, dead)) as rescued:
        writer.run_once()
    assert rescued == [[]]
    assert len(rescue(other, dead)) == 1
    assert [seq for _, seq, _ in log_of(engine, attempt.job_id)] == [1, 2]
    engine.dispose()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("beats", [2, 4], ids=["for less than a lease", "for a lease"])
def test_after_an_outage_no_session_is_ended_for_a_whole_lease(
    postgres_settings: Settings, other: Engine, beats: int
) -> None:
    """Its worker may live, and be settling: it could not beat either."""
    its_own = make_engine(postgres_settings, application=session_name(add_worker(other, lease=-1)))
    clock = Clock()
    lease = Lease(0.3, clock)
    for number in range(beats):
        clock.now = number * 0.1
        lease.renewed(clock.now)
    rescuer = Rescuer(other, new_id(), lease, 1)
    with its_own.connect() as settling, structlog.testing.capture_logs() as seen:
        settling.execute(select(Job.job_id).with_for_update())
        has_been_idle = threading.Timer(0.6, lambda: None)
        has_been_idle.start()
        eventually(lambda: (rescuer.run_once(), seen or not has_been_idle.is_alive())[1])
        has_been_idle.cancel()
        settling.invalidate()  # it may have been ended
    assert [event["event"] for event in seen] == (["session.ended"] if beats == 4 else [])
    its_own.dispose()
