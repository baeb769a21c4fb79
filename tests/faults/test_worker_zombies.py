"""Workers that were given up while they stood still, and wake up: nothing they do counts any more, and they go on."""

import signal
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.models import Book
from tests.faults.database import Database
from tests.faults.worker_rows import everything_about, is_silent, row_of
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

LONG = 40.0
"""Seconds for a lease to end and for what follows."""


@pytest.fixture(params=["database", pytest.param("sqlite_database", marks=pytest.mark.slow_faults)])
def either(request: pytest.FixtureRequest) -> Database:
    """A fresh database, on each of the two in turn."""
    database: Database = request.getfixturevalue(request.param)
    return database


def book_effect(database: Database) -> str:
    return database.add("book_effect", book_id=database.add_book())


def group_settled(database: Database) -> str:
    return database.add("spins", {"times": 0, "m": 0})


def who_holds_its_book(database: Database, job_id: str) -> str | None:
    with Session(database.engine) as session:
        return session.scalar(select(Book.locked_by_job_id).where(Book.book_id == database.row(job_id).book_id))


def assert_it_goes_on_working(database: Database, worker: Worker) -> None:
    job = database.add("effect")
    database.wait_until_ended([job])
    assert database.row(job).state == "completed"
    assert worker.is_alive
    assert database.witness.count("end", job) == 1


@pytest.mark.parametrize(
    ("step", "add"),
    [
        # before it had started the job
        pytest.param("claim.committed", book_effect, marks=pytest.mark.slow_faults),
        # with all of the work done, a moment before it would have been settled
        ("run.left", book_effect),
        pytest.param("run.left", group_settled, marks=pytest.mark.slow_faults),
    ],
)
def test_what_a_zombie_does_with_a_job_that_was_done_by_another_changes_nothing(
    either: Database, fleet: Fleet, step: str, add: Callable[[Database], str]
) -> None:
    job = add(either)
    zombie = fleet.start(settings=either.settings, failpoint=f"{step}:stop")
    zombie.wait_until_frozen()
    with watch(either.engine):
        other = fleet.start(settings=either.settings)
        either.wait_until_ended([job], LONG)
        other.signal(signal.SIGTERM)
        assert other.exit_code() == 0
        before = everything_about(either.engine, job)
        zombie.cont()
        zombie.wait_for_event("job.lost_claim", job_id=job)
        assert_it_goes_on_working(either, zombie)
    assert everything_about(either.engine, job) == before
    assert (either.row(job).state, either.row(job).losses) == ("completed", 1)
    check(either.engine)


def test_a_zombie_leaves_the_run_of_another_and_its_lock_alone(either: Database, fleet: Fleet) -> None:
    job = either.add("book_effect", {"seconds": 1.5}, book_id=either.add_book())
    zombie = fleet.start(settings=either.settings, failpoint="run.left:stop")
    zombie.wait_until_frozen()
    with watch(either.engine):
        other = fleet.start(settings=either.settings)
        either.wait_for_start(job, 2, LONG)
        claim = either.row(job).claim_id
        zombie.cont()
        zombie.wait_for_event("job.lost_claim", job_id=job)
        assert (either.row(job).state, either.row(job).claim_id) == ("running", claim)
        assert who_holds_its_book(either, job) == job
        either.wait_until_ended([job])
    assert (either.row(job).state, either.row(job).claim_id) == ("completed", claim)
    assert either.lines(job).count("wrote 3") == 1
    other.kill()
    check(either.engine)
    assert_it_goes_on_working(either, zombie)


def test_a_worker_that_stood_still_in_the_middle_of_a_job_learns_that_it_lost_it(
    either: Database, fleet: Fleet
) -> None:
    """It has neither begun to settle nor a reason to look: its own beat tells it, and its lines come too late."""
    job = either.add("hangs", {"times": 1, "seconds": 2})
    [zombie] = fleet.start_many(1, settings=either.settings)
    either.wait_for_start(job)
    zombie.freeze()
    with watch(either.engine):
        other = fleet.start(settings=either.settings)
        either.wait_until_ended([job], LONG)
        before = everything_about(either.engine, job)
        other.kill()
        zombie.cont()
        zombie.wait_for_event("job.lost_claim", job_id=job)
        assert_it_goes_on_working(either, zombie)
    assert everything_about(either.engine, job) == before
    assert either.row(job).state == "completed"
    check(either.engine)


def test_a_worker_that_stands_still_while_it_settles_is_cut_off_and_its_job_done_by_another(
    database: Database, fleet: Fleet
) -> None:
    """The row is locked, by a transaction in which nothing happens: it is ended when the lease is over, not earlier."""
    job = book_effect(database)
    zombie = fleet.start(settings=database.settings, failpoint="settle.state:stop")
    zombie.wait_until_frozen()
    with watch(database.engine, idle_seconds=None):
        other = fleet.start()
        other.wait_for_event("session.ended", LONG)
        database.wait_until_ended([job], LONG)
        before = everything_about(database.engine, job)
        other.kill()
        zombie.cont()
        zombie.wait_for_event("job.lost_claim", job_id=job)
        assert_it_goes_on_working(database, zombie)
    assert everything_about(database.engine, job) == before
    assert (database.row(job).state, database.starts(job), database.row(job).losses) == ("completed", 2, 1)
    check(database.engine)


def test_a_worker_that_stands_still_while_it_claims_keeps_no_job_from_the_others(
    database: Database, fleet: Fleet
) -> None:
    """It holds no job yet, only the row of one that waits."""
    job = book_effect(database)
    zombie = fleet.start(failpoint="claim.sent:stop")
    zombie.wait_until_frozen()
    with watch(database.engine, idle_seconds=None):
        other = fleet.start()
        database.wait_until_ended([job], LONG)
        before = everything_about(database.engine, job)
        other.kill()
        zombie.cont()
        assert_it_goes_on_working(database, zombie)
    assert everything_about(database.engine, job) == before
    assert (database.row(job).state, database.starts(job), database.row(job).losses) == ("completed", 1, 0)
    check(database.engine)


def test_a_worker_that_stands_still_while_it_settles_for_less_than_its_lease_just_goes_on(
    database: Database, fleet: Fleet
) -> None:
    fleet.start("--queue", "other").wait_for_event("worker.started")
    job = book_effect(database)
    zombie = fleet.start(failpoint="settle.state:stop", env={"BOOKBOT_LEASE_SECONDS": "60"})
    zombie.wait_until_frozen()
    beat = row_of(database.engine, fleet.workers[0]).heartbeat_at
    eventually(lambda: row_of(database.engine, fleet.workers[0]).heartbeat_at > beat + timedelta(seconds=1))
    zombie.cont()
    database.wait_until_ended([job])
    assert (database.row(job).state, database.starts(job), database.row(job).losses) == ("completed", 1, 0)
    check(database.engine)


@pytest.mark.slow_faults
def test_on_sqlite_all_wait_for_a_worker_that_stands_still_while_it_settles(
    sqlite_database: Database, fleet: Fleet
) -> None:
    """It keeps the file's only write lock, and with it everybody's beats; nobody is given up for that."""
    zombie = fleet.start(settings=sqlite_database.settings, failpoint="settle.state:stop")
    zombie.wait_for_event("worker.started")
    [other] = fleet.start_many(1, "--queue", "other", settings=sqlite_database.settings)
    job = sqlite_database.add("book_effect", book_id=sqlite_database.add_book())
    zombie.wait_until_frozen()
    other.wait_for_event("beat.missed")
    eventually(lambda: is_silent(sqlite_database.engine, zombie, 1.5))
    zombie.cont()
    sqlite_database.wait_until_ended([job])
    other.wait_for_event("beat.back")
    assert (sqlite_database.row(job).state, sqlite_database.starts(job)) == ("completed", 1)
    check(sqlite_database.engine)
    assert [worker.is_alive for worker in fleet.workers] == [True, True]
