"""A standby takes over. Workers know both servers by their URL, and work on whichever takes writes.

What an asynchronous standby had not received is lost, whatever anybody was told: completed jobs among it run again, and
new ones are gone. What must hold even then is that what is there at the end was done once.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import make_url, text

from shared.database import make_engine
from shared.models import Job
from shared.settings import load_settings
from tests.faults.conftest import APPLICATION
from tests.faults.database import Database
from tests.faults.trouble import AtWork, rescued, seconds_until_it_works, wait_until_they_wait
from tests.support.durable import DurableServer, failover_url
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]


@pytest.fixture
def standby(durable: DurableServer) -> DurableServer:
    """A server that follows `durable`."""
    return durable.standby()


@pytest.fixture
def both(durable: DurableServer, standby: DurableServer, database: Database) -> dict[str, str]:
    """The environment of workers that know both; the standby comes first, and is passed over as long as it is one."""
    return {"DATABASE_URL": failover_url(standby, durable, database=name_of(database))}


@pytest.fixture
def after(standby: DurableServer, database: Database) -> Iterator[Database]:
    """The same database on the server that takes over."""
    settings = load_settings(database_url=standby.url(name_of(database)))
    engine = make_engine(settings, application=APPLICATION)
    yield replace(database, settings=settings, engine=engine)
    engine.dispose()


def name_of(database: Database) -> str:
    return str(make_url(database.settings.database_url.get_secret_value()).database)


def test_after_a_synchronous_failover_nothing_is_lost(
    durable: DurableServer,
    standby: DurableServer,
    both: dict[str, str],
    database: Database,
    after: Database,
    fleet: Fleet,
    figures: Figures,
) -> None:
    durable.synchronous()
    fleet.start_many(2, env=both)
    ended = database.add_many(5, "effect")
    jobs = AtWork.begin(database)
    database.wait_until_ended(ended)
    before = [how_it_ended(database.row(job_id)) for job_id in ended]
    durable.kill()
    standby.promote()
    with watch(after.engine):
        figures("first new job done after a standby was promoted", seconds_until_it_works(after))
        jobs.go()
        after.wait_until_ended(jobs.ids)
    replace(jobs, database=after).check_after_loss_of_connections()
    assert before == [how_it_ended(after.row(job_id)) for job_id in ended]
    assert not rescued(fleet)
    check(after.engine, ids=[*ended, *jobs.ids])


def how_it_ended(job: Job) -> tuple[object, ...]:
    return job.state, job.claim_id, job.completed_at


def test_after_an_asynchronous_failover_what_was_lost_is_done_again_once(
    durable: DurableServer,
    standby: DurableServer,
    both: dict[str, str],
    database: Database,
    after: Database,
    fleet: Fleet,
) -> None:
    """Lost are a completion, a claim, an enqueue with its job, and the row of a worker."""
    fleet.start("--concurrency", "1", env=both).wait_for_event("worker.started")
    book = database.add_book()
    completed = database.add("book_effect", {"until": "go"}, book_id=book)
    wait_until_they_wait(database, [completed])
    eventually(lambda: database.lines(completed))  # the standby will know them, and not what became of the job
    claimed = database.add("effect", {"until": "later"}, priority=1)
    standby.catch_up_with(durable)
    standby.stop_receiving()

    database.witness.add("go")
    database.wait_until_ended([completed])
    wait_until_they_wait(database, [claimed])
    new_worker = fleet.start(env=both)
    new_worker.wait_for_event("worker.started")
    enqueued = database.add("effect")
    database.wait_until_ended([enqueued])
    lost = {database.row(job_id).claim_id for job_id in (completed, claimed, enqueued)}
    assert len(database.effects(completed)) == 3
    durable.kill()
    standby.promote()

    with watch(after.engine):
        eventually(lambda: workers(after) == {"worker1", "worker2"})
        after.wait_for_start(claimed, 2)
        after.witness.add("later")
        after.wait_until_ended([completed, claimed, again := after.add("effect")])
    rows = [after.row(job_id) for job_id in (completed, claimed)]
    assert {(row.state, row.attempt, row.losses) for row in rows} == {("completed", 1, 0)}
    assert [after.starts(job_id) for job_id in (completed, claimed, enqueued)] == [2, 2, 1]
    assert not lost.intersection(row.claim_id for row in rows)
    with after.engine.connect() as connection:
        found = set(connection.scalars(text("SELECT job_id::text FROM jobs")))
    assert found == {completed, claimed, again}
    check(after.engine, ids=found)


def workers(database: Database) -> set[str]:
    """The names of those that beat."""
    alive = text("SELECT name FROM workers WHERE lease_until > clock_timestamp()")
    with database.engine.connect() as connection:
        return set(connection.scalars(alive))


def test_a_primary_that_has_become_read_only_is_left_for_the_new_one(
    durable: DurableServer,
    standby: DurableServer,
    both: dict[str, str],
    database: Database,
    after: Database,
    fleet: Fleet,
) -> None:
    """A switchover: the old one lets everybody in, takes no writes, and goes on to run."""
    fleet.start_many(2, env=both)
    ids = [
        *database.add_many(5, "effect", {"until": "go"}),
        *database.add_many(3, "quiet", {"until": "go", "m": 0}),
        database.add("book_effect", {"until": "go"}, book_id=database.add_book()),
    ]
    wait_until_they_wait(database, ids)
    durable.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    for worker in fleet.workers:
        worker.wait_for_event("worker.cannot_work")
    standby.catch_up_with(durable)
    standby.promote()
    with watch(after.engine):
        after.witness.add("go")
        after.wait_until_ended([*ids, new := after.add("effect")])
        eventually(lambda: not [one for one in durable.backends("bookbot-worker%") if one.query.startswith("LISTEN")])
    rows = [after.row(job_id) for job_id in ids]
    assert {(row.state, row.losses) for row in rows} == {("completed", 0)}
    # A job that had its session from the old one may have been broken off by it; that costs no attempt.
    assert {row.attempt - row.interruptions for row in rows} == {1}
    assert all(after.starts(row.job_id) == row.attempt for row in rows)
    assert not rescued(fleet)
    check(after.engine, ids=[*ids, new])
