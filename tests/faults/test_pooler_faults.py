"""PgBouncer in transaction mode between the workers and a server: each of the three dies, and jobs are done once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.database import Database
from tests.faults.trouble import AtWork, never, rescued, seconds_until_it_works, wait_until_they_wait
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.pooler import Pooler, pooler

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]


@pytest.fixture
def between(durable: DurableServer, database: Database, tmp_path: Path) -> Iterator[Pooler]:
    """The pooler. AtWork holds two of its six sessions, the rest change hands all the time."""
    with pooler(str(database.engine.url.database), durable.port, tmp_path, sessions=6) as started:
        yield started


def start(fleet: Fleet, through: Pooler, count: int, concurrency: int = 10) -> None:
    fleet.start_many(count, env={"DATABASE_URL": through.url, "BOOKBOT_CONCURRENCY": str(concurrency)})
    assert all(worker.events("listen.unavailable") for worker in fleet.workers)


def test_a_worker_that_is_killed_behind_a_pooler_loses_its_jobs_to_another(
    database: Database, between: Pooler, fleet: Fleet
) -> None:
    """The survivor has a session for each of its jobs, and one more: with fewer they would wait for each other."""
    start(fleet, between, 1, concurrency=4)
    book = database.add_book()
    held = [
        database.add("effect", {"until": "go"}),
        database.add("writes_early", {"until": "go"}),
        database.add("book_effect", {"until": "go"}, book_id=book),
    ]
    wait_until_they_wait(database, held)
    start(fleet, between, 1, concurrency=4)
    with watch(database.engine):
        fleet.workers[0].kill()
        others = [*database.add_many(60, "effect"), *database.add_many(30, "quiet", {"m": 0})]
        for job_id in held:
            database.wait_for_start(job_id, 2)
        database.witness.add("go")
        database.wait_until_ended([*held, *others])
    rows = [database.row(job_id) for job_id in held]
    assert {(row.state, row.attempt, row.losses) for row in rows} == {("completed", 2, 1)}
    assert {database.row(job_id).state for job_id in others} == {"completed"}
    assert {database.starts(job_id) for job_id in others} == {1}
    check(database.engine, ids=[*held, *others])


def test_a_pooler_that_is_killed_and_started_again_costs_no_job(
    database: Database, between: Pooler, fleet: Fleet, figures: Figures
) -> None:
    start(fleet, between, 2)
    jobs = AtWork.begin(database)
    with watch(database.engine):
        between.kill()
        for worker in fleet.workers:
            worker.wait_for_event("worker.cannot_work")
        never(lambda: not all(worker.is_alive for worker in fleet.workers), 0.5)
        between.start()
        figures("first new job done after a pooler was started again", seconds_until_it_works(database))
        jobs.go()
        database.wait_until_ended(jobs.ids)
    jobs.check_after_loss_of_connections()
    assert not rescued(fleet)
    check(database.engine, ids=jobs.ids)


def test_a_server_that_falls_behind_a_pooler_costs_no_job(
    durable: DurableServer, database: Database, between: Pooler, fleet: Fleet, figures: Figures
) -> None:
    """The pooler keeps its clients meanwhile, and lets them wait."""
    start(fleet, between, 2)
    jobs = AtWork.begin(database)
    with watch(database.engine):
        durable.kill()
        durable.restart()
        figures("first new job done after a server behind a pooler fell", seconds_until_it_works(database))
        jobs.go()
        database.wait_until_ended(jobs.ids)
    jobs.check_after_loss_of_connections()
    assert not rescued(fleet)
    check(database.engine, ids=jobs.ids)
