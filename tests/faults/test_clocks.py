"""Workers whose own clock is wrong: only the database's counts, so nobody is rescued, and nothing is out of order."""

import time
from pathlib import Path

import pytest

from tests.faults.database import Database
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow_faults]

HOUR = 3600


def faketime() -> str:
    """The library that shifts a process's clock. Fails where it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "this case needs the package libfaketime"
    return str(found[0])


def shifted(shift: str | Path) -> dict[str, str]:
    """The environment of a process whose wall clock is `shift` off ("+3600"), or as the file says."""
    clock = {"FAKETIME_TIMESTAMP_FILE": str(shift)} if isinstance(shift, Path) else {"FAKETIME": shift}
    return {"LD_PRELOAD": faketime(), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"} | clock


def says(worker: Worker) -> str:
    """The hour its log is at."""
    return str(worker.events("worker.started")[0]["timestamp"])[:13]


def in_order(database: Database, jobs: list[str]) -> bool:
    rows = [database.row(job) for job in jobs]
    return all(row.created_at <= row.started_at <= row.completed_at for row in rows)


@pytest.mark.parametrize("shift", ["+3600", "-3600"])
def test_a_worker_an_hour_off_is_nobody_s_victim_and_makes_none(database: Database, fleet: Fleet, shift: str) -> None:
    right = fleet.start(settings=database.settings)
    wrong = fleet.start(settings=database.settings, env=shifted(shift))
    for worker in (right, wrong):
        worker.wait_for_event("worker.started")
    assert says(right) != says(wrong), "its clock was not shifted"
    with watch(database.engine):
        jobs = database.add_many(40, "effect", {"seconds": 0.5})
        jobs += [database.add("book_effect", {"seconds": 3.0}, book_id=database.add_book()) for _ in range(2)]
        database.wait_until_ended(jobs)
    assert {(database.row(job).state, database.row(job).attempt) for job in jobs} == {("completed", 1)}
    assert in_order(database, jobs)
    for worker in (right, wrong):
        assert worker.events("job.rescued") == worker.events("job.lost_claim") == worker.events("beat.missed") == []
    check(database.engine, ids=jobs)


def test_a_clock_that_jumps_in_the_middle_of_a_job_changes_nothing(
    database: Database, fleet: Fleet, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    jumper = fleet.start(settings=database.settings, env=shifted(clock))
    jumper.wait_for_event("worker.started")
    jobs = database.add_many(4, "effect", {"seconds": 3.0})
    for job in jobs:
        database.wait_for_start(job)
    for shift in (2 * HOUR, -2 * HOUR):
        clock.write_text(f"{shift:+d}\n")
        fresh = database.add("effect", {})
        database.wait_until_ended([fresh])
        eventually(lambda shift=shift: _is_off(jumper, shift))
        jobs.append(fresh)
    database.wait_until_ended(jobs)
    assert {(database.row(job).state, database.row(job).attempt) for job in jobs} == {("completed", 1)}
    assert in_order(database, jobs)
    assert jumper.events("job.timeout") == jumper.events("worker.cannot_work") == []
    check(database.engine, ids=jobs)


def _is_off(worker: Worker, seconds: int) -> bool:
    """Whether some line of its log was written about so far from now by its clock."""
    now = time.time()
    stamps = [str(event["timestamp"])[:16] for event in worker.events() if "timestamp" in event]
    wanted = {time.strftime("%Y-%m-%dT%H:%M", time.gmtime(now + seconds - back)) for back in range(0, 180, 30)}
    return bool(wanted.intersection(stamps))
