"""The same faults through PgBouncer in transaction mode, where no session belongs to anybody."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.settings import Settings
from tests.faults.database import Database
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.pooler import Pooler, pooler

pytestmark = pytest.mark.faults


@pytest.fixture
def between(database: Database, tmp_path: Path) -> Iterator[Pooler]:
    """A pooler in front of the test's database."""
    with pooler(database.settings.database_url.get_secret_value(), tmp_path, sessions=6) as one:
        yield one


@pytest.fixture
def pooled(database: Database, between: Pooler) -> Settings:
    """Settings that lead through it."""
    through = SecretStr(between.url.render_as_string(hide_password=False))
    return database.settings.model_copy(update={"database_url": through})


def test_the_jobs_of_a_killed_worker_run_again_through_a_pooler(
    database: Database, fleet: Fleet, pooled: Settings
) -> None:
    first, _ = fleet.start_many(2, settings=pooled)
    with watch(database.engine):
        jobs = database.add_many(6, "effect", {"seconds": 1.5})
        jobs += [database.add("book_effect", {"seconds": 1.5}, book_id=database.add_book()) for _ in range(2)]
        for job in jobs:
            database.wait_for_start(job)
        first.kill()
        database.wait_until_ended(jobs)
    assert {database.row(job).state for job in jobs} == {"completed"}
    check(database.engine, ids=jobs)


def test_a_pooler_that_is_killed_and_started_again_costs_no_job(
    database: Database, fleet: Fleet, pooled: Settings, between: Pooler
) -> None:
    [worker] = fleet.start_many(1, settings=pooled)
    jobs = database.add_many(8, "effect", {"seconds": 1.0})
    for job in jobs:
        database.wait_for_start(job)
    between.kill()
    worker.wait_for_event("worker.cannot_work")
    later = database.add("effect")
    between.start()
    database.wait_until_ended([*jobs, later])
    assert {database.row(job).state for job in (*jobs, later)} == {"completed"}
    assert database.row(later).attempt == 1
    worker.wait_for_event("worker.works_again")
    check(database.engine, ids=[*jobs, later])
