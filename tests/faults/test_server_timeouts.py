"""Limits that an administrator set for sessions strike jobs, and the engine itself: what is broken off is repeated."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.faults.database import Database
from tests.faults.trouble import AtWork, in_transaction, never, wait_until_they_wait
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Start = Callable[..., None]


@pytest.fixture
def start(database: Database, fleet: Fleet) -> Start:
    """`start(lock_timeout="300ms")`: a worker whose sessions are so limited, as by ALTER ROLE … SET."""

    def start(**limits: str) -> None:
        options = "%20".join(f"-c%20{name}%3D{value}" for name, value in limits.items())
        url = database.settings.database_url.get_secret_value()
        fleet.start(env={"DATABASE_URL": f"{url}?options={options}"}).wait_for_event("worker.started")

    return start


def test_a_job_that_is_idle_in_its_transaction_for_too_long_runs_again(database: Database, start: Start) -> None:
    """One that has only read, or is parked, does not notice."""
    start(idle_in_transaction_session_timeout="1s")
    jobs = AtWork.begin(database)
    eventually(lambda: not in_transaction(database, "%"))
    jobs.go()
    with watch(database.engine):
        database.wait_until_ended(jobs.ids)
    jobs.check_after_loss_of_connections()
    check(database.engine, ids=jobs.ids)


def test_a_job_whose_statement_takes_too_long_runs_again(database: Database, fleet: Fleet, start: Start) -> None:
    start(statement_timeout="500ms")
    job = database.add("sends_sql", {"times": 1, "sql": ["SELECT pg_sleep(20)"]})
    others = database.add_many(5, "effect")
    database.wait_until_ended([job, *others])
    assert outcome(database, job) == ("completed", 2, 1)
    assert {outcome(database, other) for other in others} == {("completed", 1, 0)}
    assert fleet.workers[0].is_alive
    check(database.engine, ids=[job, *others])


@pytest.mark.slow_faults
def test_a_job_whose_statement_always_takes_too_long_ends_and_says_so(
    database: Database, fleet: Fleet, start: Start
) -> None:
    start(statement_timeout="300ms")
    job = database.add("sends_sql", {"sql": ["SELECT pg_sleep(20)"]})
    database.wait_until_ended([job, other := database.add("effect")], 90)
    row = database.row(job)
    assert (row.state, row.attempt, database.starts(job)) == ("error", 5, 5)
    assert row.error_message == (
        "the database broke off 5 runs of this job: QueryCanceled: canceling statement due to statement timeout"
    )
    assert fleet.workers[0].is_alive
    check(database.engine, ids=[job, other])


def test_a_job_that_waits_for_a_row_for_too_long_runs_again(database: Database, start: Start) -> None:
    start(lock_timeout="300ms")
    database.add_book()
    with database.engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM books FOR UPDATE"))
        job = database.add("sends_sql", {"sql": ["UPDATE books SET title = title"]})
        eventually(lambda: database.row(job).interruptions)
    row = database.row(job)
    assert row.progress_message is not None
    assert "lock timeout" in row.progress_message
    database.wait_until_ended([job])
    state, attempt, interruptions = outcome(database, job)
    assert (state, attempt) == ("completed", interruptions + 1)
    check(database.engine, ids=[job])


@pytest.mark.parametrize("limit", ["lock_timeout", pytest.param("statement_timeout", marks=pytest.mark.slow_faults)])
def test_a_settle_that_waits_for_its_row_for_too_long_is_repeated(
    database: Database, fleet: Fleet, start: Start, limit: str
) -> None:
    """Somebody looks at the job's row in a transaction of their own, and takes their time."""
    start(**{limit: "300ms"})
    ids = [database.add("quiet", {"m": 0, "until": "go"}), database.add("effect", {"until": "go"})]
    wait_until_they_wait(database, ids)
    with database.engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM jobs FOR UPDATE"))
        database.witness.add("go")
        told = fleet.workers[0].wait_for_event("database.unreachable")
        assert limit.replace("_", " ") in told["reason"]
        never(lambda: not fleet.workers[0].is_alive, 1)
    database.wait_until_ended(ids)
    assert {outcome(database, job_id) for job_id in ids} == {("completed", 1, 0)}
    assert {database.starts(job_id) for job_id in ids} == {1}
    check(database.engine, ids=ids)


def outcome(database: Database, job_id: str) -> tuple[str, int, int]:
    row = database.row(job_id)
    return row.state, row.attempt, row.interruptions
