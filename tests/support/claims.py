"""Jobs claimed by workers that exist only as rows: for tests of what becomes of them."""

import os
from typing import Any

from sqlalchemy import Engine, insert, select, text
from sqlalchemy.orm import Session

from bookbot_worker.attempt import Attempt
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.jobs.registry import Registry
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.unit_of_work import guarded
from shared.clock import db_now_plus
from shared.ids import new_id
from shared.models import Book, JobLog, Worker
from tests.support.running import declare, name_of


def add_worker(engine: Engine, *, lease: float | None, **values: Any) -> str:
    """A worker whose lease ends `lease` seconds from now (negative: it is over); returns its id."""
    worker_id = new_id()
    row = {
        "worker_id": worker_id,
        "name": "a worker",
        "hostname": "elsewhere",
        "pid": os.getpid(),
        "version": "0",
        "queues": [],
        "job_types": [],
        "concurrency": 1,
        "lease_until": None if lease is None else db_now_plus(lease),
    }
    with engine.begin() as connection:
        connection.execute(insert(Worker).values(**(row | values)))
    return worker_id


def add_book(engine: Engine, title: str = "a book") -> str:
    book_id = new_id()
    with Session(engine) as session, session.begin():
        session.add(Book(book_id=book_id, title=title))
    return book_id


def claimed(engine: Engine, worker_id: str, *job_classes: type[BaseJob], limit: int = 100) -> list[Attempt]:
    """What the worker claims now, as attempts ready to be executed or settled."""
    registry = Registry()
    for job_class in job_classes:
        declare(job_class)
        registry.add(name_of(job_class), job_class)
    jobs = claim(engine, Claimant(worker_id, tuple(registry)), limit)
    return [Attempt.open(job, registry, guarded(engine), lambda _log: None) for job in jobs]


def log_of(engine: Engine, job_id: str) -> list[tuple[int, int, str]]:
    """The job's lines as (attempt, seq, message), in reading order."""
    columns = (JobLog.attempt, JobLog.seq, JobLog.message)
    with engine.connect() as connection:
        found = connection.execute(select(*columns).filter_by(job_id=job_id).order_by(JobLog.attempt, JobLog.seq))
        return [(attempt, seq, message) for attempt, seq, message in found]


def somebody_waits(engine: Engine) -> bool:
    """Whether a session of this database waits for a lock."""
    of_locks = "wait_event_type = 'Lock' AND datname = current_database()"
    with engine.connect() as connection:
        return bool(connection.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {of_locks}")))  # noqa: S608
