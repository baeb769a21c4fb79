"""A commit whose answer is lost: committed, rolled back, or still undecided; nobody knows, and everybody must find out.

A proxy cuts the connection at exactly that commit. Log lines are stored by the settle alone here, so that a line tells
its commit from those of the log writer.
"""

from collections.abc import Callable

import pytest

from shared.settings import Settings
from tests.faults.database import Database
from tests.faults.trouble import never, rescued, wait_until_they_wait
from tests.support.chaos_proxy import ChaosProxy
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

CLAIMS = b"gen_random_uuid()"
"""Only a claim says this."""

LOCKS = b"UPDATE books SET locked_by_job_id"
"""Only a claim that takes a book says this."""

Start = Callable[[], Worker]


@pytest.fixture
def start(fleet: Fleet, proxied: Settings) -> Start:
    """Start a worker behind the proxy."""

    def start() -> Worker:
        worker = fleet.start(settings=proxied, env={"BOOKBOT_LOG_FLUSH_SECONDS": "60"})
        worker.wait_for_event("worker.started")
        return worker

    return start


def add_job(database: Database, job_type: str) -> tuple[str, bytes]:
    """A job that waits for `go`, and words that only its settle says."""
    if job_type == "quiet":
        return database.add("quiet", {"m": 0, "until": "go"}), b"wrote 0"
    job = database.add(job_type, {"until": "go"})
    return job, f"effect {job}".encode()


@pytest.mark.parametrize("job_type", ["effect", "quiet"])
def test_a_settle_that_was_committed_is_found_out_and_not_done_again(
    database: Database, start: Start, proxy: ChaosProxy, job_type: str
) -> None:
    worker = start()
    job, only_if = add_job(database, job_type)
    wait_until_they_wait(database, [job])
    trap = proxy.drop_commit_ack(only_if=only_if)
    with watch(database.engine):
        database.witness.add("go")
        trap.wait()
        worker.wait_for_event("job.commit_confirmed", job_id=job)
    row = database.row(job)
    assert (row.state, row.attempt, row.interruptions, row.error_message) == ("completed", 1, 0, None)
    assert database.starts(job) == 1
    assert database.lines(job) == ["begins", f"wrote {0 if job_type == 'quiet' else 3}"]
    database.wait_until_ended([other := database.add("effect")])
    assert not worker.events("job.lost_claim")
    check(database.engine, ids=[job, other])


@pytest.mark.parametrize(("job_type", "attempt"), [("effect", 2), ("quiet", 1)])
def test_a_settle_that_was_rolled_back_is_done_again(
    database: Database, start: Start, proxy: ChaosProxy, job_type: str, attempt: int
) -> None:
    """A job whose writes went down with the connection runs again; for the others only the settle is repeated."""
    worker = start()
    job, only_if = add_job(database, job_type)
    wait_until_they_wait(database, [job])
    trap = proxy.reset_before_commit(only_if=only_if)
    with watch(database.engine):
        database.witness.add("go")
        trap.wait()
        database.wait_until_ended([job])
    row = database.row(job)
    assert (row.state, row.attempt, row.interruptions) == ("completed", attempt, attempt - 1)
    assert database.starts(job) == attempt
    assert not worker.events("job.commit_confirmed")
    check(database.engine, ids=[job])


def add_jobs(database: Database, job_type: str) -> list[str]:
    """Those that lock a book are claimed in a transaction, the others by a statement that commits itself."""
    if job_type == "effect":
        return database.add_many(3, "effect")
    return [database.add("book_effect", book_id=database.add_book())]


@pytest.mark.parametrize("job_type", ["effect", "book_effect"])
def test_a_claim_that_was_committed_is_given_back_and_runs_as_the_first_attempt(
    database: Database, start: Start, proxy: ChaosProxy, job_type: str
) -> None:
    """Otherwise these jobs would run for ever under a worker that lives and knows nothing of them."""
    worker = start()
    trap = proxy.drop_commit_ack(only_if=LOCKS if job_type == "book_effect" else CLAIMS)
    with watch(database.engine):
        ids = add_jobs(database, job_type)
        trap.wait()
        database.wait_until_ended(ids)
    assert worker.wait_for_event("claim.in_doubt")["jobs"] >= 1
    rows = [database.row(job_id) for job_id in ids]
    assert {(row.state, row.attempt, row.losses, row.interruptions) for row in rows} == {("completed", 1, 0, 0)}
    assert {database.starts(job_id) for job_id in ids} == {1}
    check(database.engine, ids=ids)


@pytest.mark.parametrize("job_type", ["effect", "book_effect"])
def test_a_claim_that_was_rolled_back_is_made_again(
    database: Database, start: Start, proxy: ChaosProxy, job_type: str
) -> None:
    worker = start()
    trap = proxy.reset_before_commit(only_if=LOCKS if job_type == "book_effect" else CLAIMS)
    with watch(database.engine):
        ids = add_jobs(database, job_type)
        trap.wait()
        database.wait_until_ended(ids)
    assert {(database.row(job_id).state, database.row(job_id).attempt) for job_id in ids} == {("completed", 1)}
    assert not worker.events("claim.in_doubt")
    assert {database.starts(job_id) for job_id in ids} == {1}
    check(database.engine, ids=ids)


@pytest.mark.parametrize("job_type", ["effect", "quiet"])
def test_a_commit_that_stays_open_is_decided_by_nobody_before_it_is(
    durable: DurableServer, database: Database, start: Start, proxy: ChaosProxy, job_type: str
) -> None:
    """Its work is done, invisible, and holds the job's row. Its client is gone, and comes back to ask."""
    worker = start()
    job, _ = add_job(database, job_type)
    wait_until_they_wait(database, [job])
    durable.hold_commits()
    database.witness.add("go")
    eventually(lambda: waiting_commits(durable))
    proxy.reset()
    worker.wait_for_event("database.unreachable")
    eventually(lambda: asking(durable))  # the settle that wants to know stands behind the row
    never(lambda: database.row(job).state != "running" or database.starts(job) > 1, 1)
    with watch(database.engine):
        durable.release_commits()
        worker.wait_for_event("job.commit_confirmed", job_id=job)
    row = database.row(job)
    assert (row.state, row.attempt, row.interruptions) == ("completed", 1, 0)
    assert database.starts(job) == 1
    check(database.engine, ids=[job])


def test_a_commit_that_stays_open_is_left_alone_by_a_rescuer(
    durable: DurableServer, database: Database, fleet: Fleet, start: Start
) -> None:
    """Its worker is dead, and that is certain; whether its last job has ended is not."""
    worker = start()
    job, _ = add_job(database, "effect")
    wait_until_they_wait(database, [job])
    fleet.start().wait_for_event("worker.started")
    durable.hold_commits()
    database.witness.add("go")
    eventually(lambda: waiting_commits(durable))
    worker.kill()
    never(lambda: rescued(fleet) or database.row(job).state != "running", 1.5)
    durable.release_commits()
    database.wait_until_ended([job, other := database.add("effect")])
    assert (database.row(job).state, database.row(job).attempt, database.row(job).losses) == ("completed", 1, 0)
    assert not rescued(fleet)
    check(database.engine, ids=[job, other])


def test_a_job_that_was_put_off_is_put_off_once(database: Database, start: Start, proxy: ChaosProxy) -> None:
    """The answer to its settle is lost; when the worker asks, the job may already run again under another claim."""
    start()
    trap = proxy.drop_commit_ack(only_if=b"not this time")
    with watch(database.engine):
        job = database.add("retries", {"times": 1})
        trap.wait()
        database.wait_until_ended([job])
    row = database.row(job)
    assert (row.state, row.attempt, row.interruptions, row.losses) == ("completed", 2, 0, 0)
    assert database.starts(job) == 2
    check(database.engine, ids=[job])


def waiting_commits(server: DurableServer) -> list[int]:
    """Sessions of workers whose COMMIT waits for a standby."""
    found = server.backends("bookbot-worker%")
    return [session.pid for session in found if session.query == "COMMIT" and session.waits_for == "SyncRep"]


def asking(server: DurableServer) -> list[int]:
    """Sessions of workers that wait for a transaction to end, to change a job's row."""
    found = server.backends("bookbot-worker%")
    return [session.pid for session in found if session.waits_for == "transactionid" and " jobs" in session.query]
