"""Workers whose clocks are wrong, or jump: every instant that counts is the database's, every duration the kernel's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.database import Database
from tests.faults.trouble import AtWork, never, rescued, wait_until_they_wait
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch

pytestmark = pytest.mark.faults

Environment = dict[str, str]
WithClock = Callable[..., Environment]


@pytest.fixture
def clock() -> WithClock:
    """`clock(FAKETIME="+3600s")`: the environment of a process whose wall clock is wrong; its others are right."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.fail("libfaketime is not installed, which these tests need: apt-get install libfaketime")
    fixed = {"LD_PRELOAD": str(found[0]), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return lambda **how: fixed | how


def hours_ahead(worker: Worker) -> set[int]:
    """By its own log, in all it has said until now."""
    said = [datetime.fromisoformat(event["timestamp"]) for event in worker.events()]
    return {round((moment - datetime.now(UTC)) / timedelta(hours=1)) for moment in said}


def check_order(database: Database, job_id: str, since: datetime) -> None:
    """Enqueued, due, started, ended, in this order, and by the right clock."""
    row = database.row(job_id)
    assert row.started_at is not None
    assert row.completed_at is not None
    slack = timedelta(seconds=1)
    assert since - slack <= row.created_at <= row.started_at <= row.completed_at <= datetime.now(UTC) + slack
    assert row.run_at <= row.started_at


def test_workers_an_hour_apart_agree_on_everything(database: Database, fleet: Fleet, clock: WithClock) -> None:
    since = datetime.now(UTC)
    environments: tuple[Environment, ...] = (clock(FAKETIME="+3600s"), clock(FAKETIME="-3600s"), {})
    for environment in environments:
        fleet.start("--concurrency", "3", env=environment)
    for worker in fleet.workers:
        worker.wait_for_event("worker.started")
    assert [hours_ahead(worker) for worker in fleet.workers] == [{1}, {-1}, {0}]
    held = database.add_many(3, "effect", {"until": "go"})
    wait_until_they_wait(database, held)
    with watch(database.engine):
        later = database.add_many(3, "effect", run_at=since + timedelta(seconds=3))
        others = [*database.add_many(30, "effect", {"seconds": 0.02}), *database.add_many(10, "quiet", {"m": 0})]
        database.wait_until_ended(others)
        database.wait_until_ended(later)
        database.witness.add("go")
        database.wait_until_ended(held)
    ids = [*held, *later, *others]
    for job_id in ids:
        check_order(database, job_id, since)
    assert {(database.row(job_id).state, database.starts(job_id)) for job_id in ids} == {("completed", 1)}
    assert not rescued(fleet)
    check(database.engine, ids=ids)


def test_a_clock_that_jumps_changes_nothing(database: Database, fleet: Fleet, clock: WithClock, tmp_path: Path) -> None:
    """Neither does the worker think its lease over, nor its jobs too late, nor do the others."""
    since = datetime.now(UTC)
    time_of_day = tmp_path / "time-of-day"
    time_of_day.write_text("+0s")
    limit = {"BOOKBOT_TEST_JOB_TIMEOUT": "600"}
    jumping = fleet.start(env=clock(FAKETIME_TIMESTAMP_FILE=str(time_of_day), FAKETIME_NO_CACHE="1") | limit)
    jumping.wait_for_event("worker.started")
    jobs = AtWork.begin(database)
    fleet.start("--concurrency", "1", env=limit).wait_for_event("worker.started")
    ids = list(jobs.ids)
    with watch(database.engine, idle_seconds=None):  # two of the jobs keep their transactions open, as they should
        for offset in ("+7200s", "-7200s", "+0s"):
            time_of_day.write_text(offset)
            never(lambda: rescued(fleet) or jumping.events("worker.cannot_work"), 1)
            database.wait_until_ended(more := database.add_many(10, "effect"))
            ids += more
        jobs.go()
        database.wait_until_ended(ids)
    assert hours_ahead(jumping) == {0, 2, -2}
    jobs.check_untouched()
    for job_id in ids:
        check_order(database, job_id, since)
    assert not jumping.events("beat.missed")
    assert not jumping.events("job.timeout")
    check(database.engine, ids=ids)
