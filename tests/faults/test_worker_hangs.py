"""Jobs, and a loop, that never come back: what they hold is given up in time, and everything else goes on."""

import signal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.models import Job
from tests.faults.database import Database
from tests.faults.jobs import TIMEOUT_VARIABLE
from tests.faults.worker_rows import everything_about, is_silent
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

LIMIT = {TIMEOUT_VARIABLE: "1"}
TOO_LONG = "The job ran longer than its limit of 1 s."
GIVEN_UP = f"{TOO_LONG} It did not stop when it was asked to, and was given up."
LONG = 40.0
"""Seconds for a lease to end and for what follows."""


def running(database: Database) -> int:
    with Session(database.engine) as session:
        return session.scalar(select(func.count()).where(Job.state == "running")) or 0


@pytest.mark.parametrize("place", ["database", pytest.param("sqlite_database", marks=pytest.mark.slow_faults)])
def test_a_job_that_hangs_past_its_limit_is_given_up_and_the_others_go_on(
    request: pytest.FixtureRequest, fleet: Fleet, place: str
) -> None:
    database: Database = request.getfixturevalue(place)
    [worker] = fleet.start_many(1, "--concurrency", "4", settings=database.settings, env=LIMIT)
    hung = database.add("hangs", {"flush": True})
    database.wait_for_start(hung)
    with watch(database.engine):
        slow = database.add("effect", {"seconds": 60})
        others = database.add_many(10, "effect", {"seconds": 0.1})
        database.wait_until_ended([hung, slow, *others])
    assert (database.row(hung).state, database.row(hung).error_message) == ("error", GIVEN_UP)
    assert (database.row(slow).state, database.row(slow).error_message) == ("error", TOO_LONG)
    assert {database.row(job).state for job in others} == {"completed"}
    assert worker.events("job.fenced_out", job_id=hung)
    assert not worker.events("job.fenced_out", job_id=slow)
    assert worker.is_alive
    check(database.engine)


def test_a_thread_that_comes_back_after_it_was_given_up_changes_nothing(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1, "--concurrency", "5", env=LIMIT)
    jobs = [database.add("hangs", {"flush": flush, "seconds": 3}) for flush in (True, False)]
    database.wait_until_ended(jobs)
    before = [everything_about(database.engine, job) for job in jobs]
    others = database.add_many(10, "effect", {"seconds": 0.7})
    eventually(lambda: running(database) == 5)  # all slots serve again
    database.wait_until_ended(others)
    assert [everything_about(database.engine, job) for job in jobs] == before
    assert worker.is_alive
    check(database.engine)


def test_a_worker_that_has_lost_half_of_its_slots_leaves_and_the_next_one_goes_on(
    database: Database, fleet: Fleet
) -> None:
    [worker] = fleet.start_many(1, "--concurrency", "2", env=LIMIT)
    hung = database.add("hangs", {"flush": True})
    database.wait_for_start(hung)
    with watch(database.engine):
        others = database.add_many(20, "effect", {"seconds": 0.2})
        assert worker.exit_code(LONG) == 75
        fleet.start("--concurrency", "2", env=LIMIT)
        database.wait_until_ended([hung, *others])
    assert database.row(hung).error_message == GIVEN_UP
    assert {(database.row(job).state, database.row(job).losses) for job in others} == {("completed", 0)}
    assert worker.events("worker.recycling", exit_code=75)
    check(database.engine)


def test_a_worker_whose_loop_is_stuck_stops_beating_and_loses_its_jobs(database: Database, fleet: Fleet) -> None:
    """The one it runs, and the one it was about to take, whose row its transaction keeps until it is ended."""
    env = {"BOOKBOT_DATABASE_TIMEOUT_SECONDS": "0.5"}
    [stuck] = fleet.start_many(1, env=env, failpoint="claim.sent:hang:2")
    ran = database.add("hangs", {"times": 1})
    database.wait_for_start(ran)
    wanted = database.add("effect")
    with watch(database.engine, idle_seconds=None):
        other = fleet.start()
        stuck.wait_for_event("beat.missed", reason="the loop is stuck")
        database.wait_until_ended([ran, wanted], LONG)
        assert is_silent(database.engine, stuck, 0)
        assert other.events("job.rescued", job_id=ran)
        assert stuck.is_alive
    stuck.kill()
    assert {database.row(job).state for job in (ran, wanted)} == {"completed"}
    assert database.starts(wanted) == 1
    check(database.engine)


def test_a_job_that_keeps_the_interpreter_to_itself_costs_the_worker_its_jobs_and_no_more(
    database: Database, fleet: Fleet
) -> None:
    """No other thread of the process runs meanwhile, not even the one that beats."""
    stuck, other = fleet.start_many(2)
    other.signal(signal.SIGUSR2)
    other.wait_for_event("worker.paused")
    neighbour = database.add("effect", {"seconds": 0.3})
    database.wait_for_start(neighbour)
    hogs = database.add("hogs", {"times": 1, "seconds": 6})
    database.wait_for_start(hogs)
    with watch(database.engine):
        other.signal(signal.SIGUSR2)
        database.wait_until_ended([neighbour, hogs], LONG)
        stuck.wait_for_event("job.lost_claim", job_id=hogs)
    assert {database.row(job).state for job in (neighbour, hogs)} == {"completed"}
    stuck.signal(signal.SIGTERM)
    assert stuck.exit_code() == 0
    check(database.engine)
