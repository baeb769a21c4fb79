"""Does the checker see? Every invariant is broken by hand, one at a time, and must be the one that is named."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, delete, insert, select, text, update
from sqlalchemy.orm import Session

from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobLog
from tests.faults.database import Database
from tests.support.durable import DurableServer
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = timedelta(minutes=1)


@pytest.fixture(params=["sqlite_database", "database"])
def done(request: pytest.FixtureRequest) -> Database:
    """A database with five jobs that have completed, as the engine would have left them."""
    database: Database = request.getfixturevalue(request.param)
    book = database.add_book()
    chunk = database.add_chunk(book)
    ids = [
        database.add("effect"),
        *database.add_many(2, "book_effect", book_id=book),
        *database.add_many(2, "chunk_effect", book_id=book, chunk_id=chunk),
    ]
    with Session(database.engine) as session:
        for number, job_id in enumerate(ids):
            complete(session, session.get_one(Job, job_id), START + number * LATER)
        for counter in (session.get_one(Book, book), session.get_one(Chunk, (chunk, 1))):
            counter.props = {"count": 2}
        session.commit()
    return database


def complete(session: Session, job: Job, start: datetime) -> None:
    claim = new_id()
    job.state, job.attempt, job.claim_id, job.log_count = "completed", 1, claim, 2
    job.started_at, job.completed_at = start, start + LATER
    for n in range(3):
        session.add(Book(book_id=new_id(), title=f"effect {job.job_id} {n}", props={"claim_id": claim}))
    for seq in (1, 2):
        line = {"job_id": job.job_id, "claim_id": claim, "attempt": 1, "created_at": start}
        session.add(JobLog(**line, seq=seq, level="INFO", message="a line"))


def let_anything_in(connection: Connection) -> None:
    """The database itself refuses some of what is tried here."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
    else:
        checks = "SELECT conname FROM pg_constraint WHERE conrelid = 'jobs'::regclass AND contype = 'c'"
        for name in connection.scalars(text(checks)).all():
            connection.execute(text(f"ALTER TABLE jobs DROP CONSTRAINT {name}"))


def job(**values: Any) -> Callable[[str], Any]:
    return lambda job_id: update(Job).where(Job.job_id == job_id).values(**values)


def lines(**values: Any) -> Callable[[str], Any]:
    return lambda job_id: update(JobLog).where(JobLog.job_id == job_id).values(**values)


def new_book(title: str) -> Callable[[str], Any]:
    def statement(job_id: str) -> Any:
        values = {"book_id": new_id(), "title": title.format(job=job_id, new=new_id()), "props": {"claim_id": new_id()}}
        return insert(Book).values(values)

    return statement


RUNNING = {"state": "running", "completed_at": None, "worker_id": new_id()}
TAMPERING: list[tuple[str, Callable[[str], Any]]] = [
    ("I1 every job has ended", job(state="waiting", completed_at=None)),
    ("I1 every job whose enqueue was acknowledged exists", lambda job_id: delete(Job).where(Job.job_id == job_id)),
    ("I2 a completed job has all its effects, once", job(props={"witness": "w", "m": 4})),
    ("I2 a completed job has all its effects, once", lambda job_id: update(Book).values(title=f"effect {job_id} 1")),
    ("I2 effects belong to completed jobs, to their last claim", new_book("effect {job} 1")),
    ("I2 effects belong to completed jobs, to their last claim", new_book("effect {new} 1")),
    ("I2 effects belong to completed jobs, to their last claim", job(state="error")),
    ("I2 effects belong to completed jobs, to their last claim", job(claim_id=new_id())),
    ("I3 nothing is left of what was called off", new_book("must not be written")),
    (
        "I4 a book is locked only by a running job that wants it",
        lambda job_id: update(Book).values(locked_by_job_id=job_id),
    ),
    (
        "I4 a chunk is locked only by a running job that wants it",
        lambda _: update(Chunk).values(locked_by_job_id=new_id()),
    ),
    ("I4 a running job holds what it locks", lambda _: update(Job).where(Job.lock_scope == "book").values(**RUNNING)),
    ("I4 work on one book or chunk does not overlap", lambda _: update(Job).values(started_at=START)),
    ("I4 a book has counted every job that counted itself", lambda _: update(Book).values(props={"count": 1})),
    ("I4 a chunk has counted every job that counted itself", lambda _: update(Chunk).values(props={})),
    ("I5 terminal ⇔ completed_at", job(completed_at=None)),
    ("I5 worker_id ⇔ running", job(worker_id=new_id())),
    ("I5 a running job has a claim and was started", job(**RUNNING, claim_id=None)),
    ("I5 a job that ended by running has an attempt", job(attempt=0)),
    ("I6 a terminal job has all its lines, 1 to log_count", job(log_count=3)),
    ("I6 a terminal job has all its lines, 1 to log_count", lines(seq=JobLog.seq + 7)),
    (
        "I6 a terminal job has all its lines, 1 to log_count",
        lambda job_id: delete(JobLog).where(JobLog.job_id == job_id),
    ),
    ("I6 lines read in the order they were written", lines(attempt=3 - JobLog.seq)),
    ("I6 no line is newer than the end of its job", lines(created_at=START + 2 * LATER)),
    ("I6 the last line of a completed job is of its last claim", lines(claim_id=new_id())),
]


@pytest.mark.parametrize(("name", "tamper"), TAMPERING)
def test_what_is_tampered_with_is_named(done: Database, name: str, tamper: Callable[[str], Any]) -> None:
    with Session(done.engine) as session:
        ids = list(session.scalars(select(Job.job_id)))
        [effect] = session.scalars(select(Job.job_id).where(Job.job_type == "effect"))
    check(done.engine, ids=ids)
    with done.engine.begin() as connection:
        let_anything_in(connection)
        connection.execute(tamper(effect))
    with pytest.raises(AssertionError, match=f"broken: {re.escape(name)}"):
        check(done.engine, ids=ids)


def test_a_job_that_waits_is_no_fault_where_it_may(database: Database) -> None:
    database.add("effect")
    check(database.engine, all_terminal=False)


def test_sessions_of_workers_that_are_dead_or_idle_in_a_transaction_are_named(database: Database) -> None:
    url = database.settings.database_url.get_secret_value()
    with psycopg.connect(url, application_name="bookbot-worker:deadbeef") as connection:
        with pytest.raises(AssertionError, match="broken: I12 dead workers have no sessions"):
            check(database.engine, patience=0.1)
        connection.execute("SELECT 1")
        with pytest.raises(AssertionError, match="broken: I10 nothing is idle in a transaction"):
            check(database.engine, patience=0.3, idle_seconds=0.1)
    check(database.engine)


def test_what_was_wrong_only_for_a_moment_was_seen(done: Database) -> None:
    def be_wrong_for_a_moment() -> None:
        with watch(done.engine) as seen:
            set_locks(done.engine, new_id())
            samples = seen.samples
            eventually(lambda: seen.samples >= samples + 2)
            set_locks(done.engine, None)

    with pytest.raises(AssertionError, match=r"broken: I4 a book is locked only .* seen while faults flew"):
        be_wrong_for_a_moment()
    check(done.engine)


def set_locks(engine: Engine, job_id: str | None) -> None:
    with engine.begin() as connection:
        connection.execute(update(Book).values(locked_by_job_id=job_id))


def test_a_watch_outlives_the_server_it_watches(durable: DurableServer, database: Database) -> None:
    with watch(database.engine) as seen:
        eventually(lambda: seen.samples)
        durable.kill()
        durable.restart()
        samples = seen.samples
        eventually(lambda: seen.samples > samples)
