"""Workers that are killed in the middle of their work: it is done by others, soon, once, and from the beginning."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.database import Database
from tests.faults.worker_rows import move_to_another_host, started_at
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch

pytestmark = pytest.mark.faults

DEFAULTS = {
    "BOOKBOT_HEARTBEAT_SECONDS": "4",
    "BOOKBOT_LEASE_SECONDS": "20",
    "BOOKBOT_RESCUE_SECONDS": "4",
    "BOOKBOT_POLL_SECONDS": "1",
    "BOOKBOT_DATABASE_TIMEOUT_SECONDS": "30",
}

Figures = Callable[[str, float], None]


@pytest.fixture(params=["database", "sqlite_database"])
def either(request: pytest.FixtureRequest) -> Database:
    """A fresh database, on each of the two in turn."""
    database: Database = request.getfixturevalue(request.param)
    return database


def one_works_one_waits(database: Database, fleet: Fleet, **options: object) -> tuple[Worker, Worker]:
    """Two workers; the second claims nothing until it is sent SIGUSR2 again."""
    first, second = fleet.start_many(2, settings=database.settings, **options)
    second.signal(signal.SIGUSR2)
    second.wait_for_event("worker.paused")
    return first, second


def start_one_of_each(database: Database) -> list[str]:
    """Jobs with and without locks, all of them at work when this returns."""
    book = database.add_book()
    jobs = [
        database.add("hangs", {"times": 1}),
        database.add("book_effect", {"seconds": 0.7}, book_id=database.add_book()),
        database.add("chunk_effect", {"seconds": 0.7}, book_id=book, chunk_id=database.add_chunk(book)),
    ]
    for job in jobs:
        database.wait_for_start(job)
    return jobs


def all_ran_again(database: Database, jobs: list[str], killed_at: float) -> float:
    """Seconds from `killed_at` until the last of the jobs was started for the second time, and none for a third."""
    database.wait_until_ended(jobs)
    assert {database.row(job).state for job in jobs} == {"completed"}
    assert [database.starts(job) for job in jobs] == [2] * len(jobs)
    check(database.engine, ids=jobs)
    return max(started_at(database, job, 2) for job in jobs) - killed_at


def test_another_worker_of_the_host_takes_over(either: Database, fleet: Fleet, figures: Figures) -> None:
    with watch(either.engine):
        first, second = one_works_one_waits(either, fleet)
        jobs = start_one_of_each(either)
        second.signal(signal.SIGUSR2)
        killed_at = time.monotonic()
        first.kill()
        figures("SIGKILL to second start, another worker of the host", all_ran_again(either, jobs, killed_at))
    assert "its process is gone; the job runs again" in "\n".join(either.lines(jobs[0]))
    assert [either.row(job).losses for job in jobs] == [1] * len(jobs)


def test_a_worker_started_after_the_death_takes_over(either: Database, fleet: Fleet, figures: Figures) -> None:
    with watch(either.engine):
        [first] = fleet.start_many(1, settings=either.settings)
        jobs = start_one_of_each(either)
        killed_at = time.monotonic()
        first.kill()
        fleet.start(settings=either.settings)
        figures("SIGKILL to second start, same host restart", all_ran_again(either, jobs, killed_at))


@pytest.mark.parametrize("place", ["database", pytest.param("sqlite_database", marks=pytest.mark.slow_faults)])
def test_a_worker_of_another_host_takes_over_when_the_lease_is_over(
    request: pytest.FixtureRequest, fleet: Fleet, figures: Figures, place: str
) -> None:
    either: Database = request.getfixturevalue(place)
    with watch(either.engine):
        first, second = one_works_one_waits(either, fleet)
        move_to_another_host(either.engine, first)
        jobs = start_one_of_each(either)
        second.signal(signal.SIGUSR2)
        killed_at = time.monotonic()
        first.kill()
        figures("SIGKILL to second start, other host, lease 2 s", all_ran_again(either, jobs, killed_at))
    assert "it gave no sign of life for the whole of its lease" in "\n".join(either.lines(jobs[0]))


@pytest.mark.slow_faults
@pytest.mark.timeout(240)
def test_with_the_default_timings_orphans_run_again_within_30_s_and_3_s(
    database: Database, fleet: Fleet, figures: Figures
) -> None:
    first, second = one_works_one_waits(database, fleet, env=DEFAULTS)
    move_to_another_host(database.engine, first)
    job = database.add("hangs", {"times": 1, "seconds": 120})
    database.wait_for_start(job)
    second.signal(signal.SIGUSR2)
    killed_at = time.monotonic()
    first.kill()
    database.wait_for_start(job, 2, seconds=60)
    on_other_host = started_at(database, job, 2) - killed_at
    figures("SIGKILL to second start, other host, default timings", on_other_host)

    again = database.add("hangs", {"times": 1, "seconds": 120})
    database.wait_for_start(again)
    killed_at = time.monotonic()
    second.kill()
    fleet.start(env=DEFAULTS)
    database.wait_for_start(again, 2, seconds=60)
    on_same_host = started_at(database, again, 2) - killed_at
    figures("SIGKILL to second start, same host restart, default timings", on_same_host)
    database.wait_until_ended([job, again])
    assert {database.row(one).state for one in (job, again)} == {"completed"}
    check(database.engine, ids=[job, again])
    assert on_other_host <= 30
    assert on_same_host <= 3
