"""On SQLite every transaction that writes says so when it begins: one that reads first and writes later is refused."""

import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool

from bookbot_worker import BaseJob, BookJob, Retry, Snooze
from bookbot_worker.orphans import LOSSES_LIMIT, Holder, Sign
from bookbot_worker.queue.rescue import Dead, give_back_unknown, rescue
from bookbot_worker.queue.workers import forget_ended_workers
from shared import schema
from shared.control import cancel_job, retry_job
from shared.database import make_engine
from shared.enqueue import NewJob, create_job, create_jobs
from shared.ids import new_id
from shared.models import Book, Job
from shared.settings import Settings
from tests.support.claims import add_book, add_worker, claimed
from tests.support.running import declare, enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration

WRITES = re.compile(r"\s*(insert|update|delete|replace|create|drop|alter)\b", re.IGNORECASE)
BEGINS = re.compile(r"\s*begin\s+(\w+)", re.IGNORECASE)
ENDS = re.compile(r"\s*(commit|rollback)\s*;?\s*$", re.IGNORECASE)
OF_A_TRIGGER = "--"


class Statements:
    """What every SQLite connection of this process is sent, and where a write stood in the wrong transaction."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.writes = 0
        self.wrong: list[tuple[str | None, str]] = []
        self._modes: dict[int, str | None] = {}

    def listen(self, connection: sqlite3.Connection, _record: Any) -> None:
        """To a new connection. SQLAlchemy's event."""
        connection.set_trace_callback(partial(self._note, id(connection)))

    def _note(self, connection: int, statement: str) -> None:
        if statement.startswith(OF_A_TRIGGER):
            return
        if found := BEGINS.match(statement):
            self._modes[connection] = mode = found[1].upper()
            self.begun[mode] += 1
        elif ENDS.match(statement):
            self._modes[connection] = None
        elif WRITES.match(statement):
            self.writes += 1
            if (mode := self._modes.get(connection)) != "IMMEDIATE":
                self.wrong.append((mode, statement[:80]))


@contextmanager
def all_statements() -> Iterator[Statements]:
    """Those sent in the block, by connections made in it."""
    statements = Statements()
    event.listen(Pool, "connect", statements.listen)
    try:
        yield statements
    finally:
        event.remove(Pool, "connect", statements.listen)


class Writes(BookJob):
    def execute(self) -> bool:
        self.log(f"there are {len(self.session.scalars(select(Book)).all())} books")
        self.progress(0.5, "half")
        self.book.title = "written"
        self.session.flush()
        with self.session.begin_nested():
            self.session.add(Book(book_id=new_id(), title="in a savepoint"))
        return True


class Tries(BaseJob):
    """Every other way to end."""

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="must not be written"))
        if self.job.props["how"] == "retry" and self.job.attempt == 1:
            raise Retry("once more", after=timedelta(0))
        if self.job.props["how"] == "snooze" and not self.job.progress_message:
            raise Snooze(timedelta(0), "later")
        if self.job.props["how"] == "break":
            raise LookupError("broken")
        return self.job.props["how"] != "fail"


class Starts(BaseJob):
    def execute(self) -> bool:
        found = select(Job.job_id).where(Job.parent_job_id == self.job.job_id)
        if not self.session.scalars(found).all():
            (child,) = self.create_jobs([NewJob("tries", props={"how": "fail"}, parent_job_id=self.job.job_id)])
            self.await_jobs([child.job_id], "for the child")
        return True


class Waits(BaseJob):
    started = threading.Event()

    def execute(self) -> bool:
        Waits.started.set()
        self.wait(timedelta(seconds=60))
        return True


def do_everything_about_jobs(engine: Engine) -> None:
    """Enqueue, cancel and retry, with and without a session."""
    declare(Tries)
    with Session(engine) as session, session.begin():
        create_jobs([NewJob("tries", props={"how": "fail"}) for _ in range(120)], session=session)
    waiting = create_job(job_type="tries", props={"how": "none"}, unique_key="k")
    assert create_job(job_type="tries", props={"how": "none"}, unique_key="k").job_id == waiting.job_id
    create_job(job_type="tries", props={"how": "none"}, depends_on=[waiting.job_id])
    cancel_job(waiting.job_id)
    retry_job(waiting.job_id)
    with Session(engine) as session, session.begin():
        cancel_job(waiting.job_id, session=session)


def lose_and_rescue(engine: Engine) -> None:
    """A job whose workers died until it was given up, and one whose claim was in doubt."""
    enqueue(engine, Writes, book_id=add_book(engine), priority=9)
    for _ in range(LOSSES_LIMIT):
        worker_id = add_worker(engine, lease=-1)
        claimed(engine, worker_id, Writes)
        assert len(rescue(engine, [Dead(Holder(worker_id), Sign.SILENT, "gone")])) == 1
    enqueue(engine, Writes, book_id=add_book(engine), priority=9)
    (attempt,) = claimed(engine, add_worker(engine, lease=20), Writes)
    assert give_back_unknown(engine, {attempt.claim_id: attempt.job_id}) == 1
    forget_ended_workers(engine)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_every_transaction_that_writes_begins_as_a_writer(settings: Settings) -> None:
    with all_statements() as statements:
        engine = make_engine(settings)
        schema.upgrade(engine)
        do_everything_about_jobs(engine)
        lose_and_rescue(engine)
        quick = settings.model_copy(update={"log_flush_seconds": 0.02, "heartbeat_seconds": 0.1})
        with running(processor_for(quick, Writes, Tries, Starts, Waits)):
            hows = ("none", "fail", "break", "retry", "snooze")
            jobs = [enqueue(engine, Tries, props={"how": how}, max_attempts=2) for how in hows]
            jobs += [enqueue(engine, Writes, book_id=add_book(engine)), enqueue(engine, Starts)]
            called_off = enqueue(engine, Waits)
            assert Waits.started.wait(20)
            cancel_job(called_off)
            eventually(lambda: all(row(engine, job).completed_at for job in [*jobs, called_off]))
        engine.dispose()
    ended = [row(engine, job).state for job in jobs]
    engine.dispose()
    assert ended == ["completed", "failed", "error", "completed", "completed", "completed", "completed"]
    assert statements.wrong == []
    assert statements.writes > 100
    assert statements.begun["DEFERRED"] > 3  # who only reads waits for nobody
    assert set(statements.begun) == {"DEFERRED", "IMMEDIATE"}


def test_the_trace_sees_a_write_that_was_not_announced(sqlite_settings: Settings) -> None:
    with all_statements() as statements:
        engine = make_engine(sqlite_settings).execution_options(sqlite_begin="DEFERRED")
        with engine.begin() as connection:
            connection.execute(select(Book.book_id))
            connection.execute(insert(Book).values(book_id=new_id(), title="unannounced", props={}))
        engine.dispose()
    assert [mode for mode, _ in statements.wrong] == ["DEFERRED"]
