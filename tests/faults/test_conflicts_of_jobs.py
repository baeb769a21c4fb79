"""Jobs that stand in each other's way, or in the engine's: the database breaks one off, and it is done all the same."""

import threading

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from shared.control import cancel_job
from tests.faults.database import Database
from tests.faults.trouble import wait_until_they_wait
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

FIRST_BOOK = "UPDATE books SET title = title WHERE book_id = (SELECT book_id FROM books ORDER BY book_id LIMIT 1)"
SECOND_BOOK = FIRST_BOOK.replace("LIMIT 1", "LIMIT 1 OFFSET 1")
SERIALIZABLE = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"
COUNT = "SELECT count(*) FROM output_files"
FILE = """INSERT INTO output_files (file_id, book_id, name, format, media_type, size_bytes, sha256, content)
          SELECT gen_random_uuid(), book_id, 'a file', 'x', 'x', 0, '', '' FROM books ORDER BY book_id LIMIT 1"""


def test_of_two_jobs_that_deadlock_one_runs_again_and_both_complete(database: Database, fleet: Fleet) -> None:
    """The server breaks one off after a second (deadlock_timeout)."""
    fleet.start_many(2, "--concurrency", "1")
    for _ in range(2):
        database.add_book()
    with watch(database.engine):
        jobs = [
            database.add("sends_sql", {"meet": 2, "sql": [FIRST_BOOK, SECOND_BOOK]}),
            database.add("sends_sql", {"meet": 2, "sql": [SECOND_BOOK, FIRST_BOOK]}),
        ]
        database.wait_until_ended(jobs)
    check_one_ran_again(database, jobs)


def test_of_two_jobs_that_could_not_have_run_one_after_the_other_one_runs_again(
    database: Database, fleet: Fleet
) -> None:
    """Write skew: each has counted before the other added. Their transactions are serializable."""
    fleet.start_many(2, "--concurrency", "1")
    database.add_book()
    with watch(database.engine):
        jobs = database.add_many(2, "sends_sql", {"meet": 2, "sql": [SERIALIZABLE, COUNT, FILE]})
        database.wait_until_ended(jobs)
    check_one_ran_again(database, jobs)


def check_one_ran_again(database: Database, jobs: list[str]) -> None:
    rows = [database.row(job_id) for job_id in jobs]
    assert {(row.state, row.error_message) for row in rows} == {("completed", None)}
    assert sorted((row.attempt, row.interruptions) for row in rows) == [(1, 0), (2, 1)]
    assert sorted(database.starts(job_id) for job_id in jobs) == [1, 2]
    check(database.engine, ids=jobs)


def test_a_job_that_deadlocks_with_a_claim_is_done_and_so_is_the_claimed_one(
    durable: DurableServer, database: Database, fleet: Fleet
) -> None:
    """It writes to a chunk without its lock, and then to the book, which a claim locks first."""
    fleet.start_many(2)
    book = database.add_book()
    chunk = database.add_chunk(book)
    writing = database.add(
        "sends_sql", {"meet": 2, "sql": ["UPDATE chunks SET text = text", "UPDATE books SET title = title"]}
    )
    wait_until_they_wait(database, [writing])
    with watch(database.engine):
        locking = database.add("chunk_effect", book_id=book, chunk_id=chunk)
        eventually(lambda: waiting_for_each_other(durable, "bookbot-worker%", "UPDATE chunks"))
        database.witness.add("meets", 1, "the claim")
        database.wait_until_ended([writing, locking])
    rows = [database.row(job_id) for job_id in (writing, locking)]
    assert {(row.state, row.attempt - row.interruptions) for row in rows} == {("completed", 1)}
    check(database.engine, ids=[writing, locking])


def test_a_job_that_deadlocks_with_its_cancel_is_cancelled_or_done(
    durable: DurableServer, database: Database, fleet: Fleet
) -> None:
    """It has written to the row of a job that depends on it. The cancel locks its own row first, and then that one."""
    fleet.start().wait_for_event("worker.started")
    sql = ["UPDATE jobs SET progress_message = 'touched' WHERE state = 'waiting'"]
    job = database.add("sends_sql", {"until": "go", "sql": ["SELECT pg_sleep(0.2)", *sql]})
    dependent = database.add("effect", depends_on=[job])
    wait_until_they_wait(database, [job])
    answers: list[str] = []

    def cancel() -> None:
        try:
            with Session(database.engine) as session:
                answers.append(cancel_job(job, session=session))
                session.commit()
        except OperationalError:
            answers.append("deadlock")

    cancelling = threading.Thread(target=cancel)
    cancelling.start()
    eventually(lambda: waiting_for_each_other(durable, "fault-test", " jobs"))
    database.witness.add("go")
    cancelling.join(20)
    database.wait_until_ended([job, dependent])
    states = [database.row(job_id).state for job_id in (job, dependent)]
    assert states == (["completed", "completed"] if answers == ["deadlock"] else ["cancelled", "cancelled"])
    check(database.engine, ids=[job, dependent])


def waiting_for_each_other(server: DurableServer, application: str, words: str) -> list[int]:
    """Sessions that wait for another transaction to end, with a statement that has these words."""
    found = server.backends(application)
    return [one.pid for one in found if one.waits_for in ("transactionid", "tuple") and words in one.query]
