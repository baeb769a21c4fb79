"""What the tests about dying workers ask the database and the witness, and the one lie they tell."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from shared.database import read_only
from shared.models import Book, Chunk, Job, JobLog
from shared.models import Worker as WorkerRow
from tests.faults.database import Database
from tests.support.fleet import Worker

ELSEWHERE = "other-boot pid:[1] 1"
"""The identity of a process that cannot be compared with any of this machine."""


def row_of(engine: Engine, worker: Worker) -> WorkerRow:
    """What the database knows of this process."""
    with Session(read_only(engine)) as session:
        return session.scalars(select(WorkerRow).where(WorkerRow.pid == worker.pid)).one()


def is_silent(engine: Engine, worker: Worker, seconds: float) -> bool:
    """Whether its lease has been over for so long."""
    lease_until = row_of(engine, worker).lease_until
    return lease_until is not None and lease_until < datetime.now(UTC) - timedelta(seconds=seconds)


def move_to_another_host(engine: Engine, worker: Worker) -> None:
    """From now on nobody can tell whether its process lives; only its beats can."""
    with engine.begin() as connection:
        connection.execute(update(WorkerRow).where(WorkerRow.pid == worker.pid).values(process=ELSEWHERE))


def started_at(database: Database, job_id: str, run: int = 1) -> float:
    """When the job's witness saw that run begin, by `time.monotonic()`."""
    return float(database.witness.read("start", job_id)[run - 1][-1])


def everything_about(engine: Engine, job_id: str) -> dict[str, list[dict[str, Any]]]:
    """All rows that a late run of the job could spoil, to be compared with those of another moment."""
    of_job = Job.job_id == job_id
    its_book = select(Job.book_id).where(of_job)
    wanted = {
        "job": select(Job.__table__).where(of_job),
        "lines": select(JobLog.__table__).where(JobLog.job_id == job_id).order_by(JobLog.attempt, JobLog.seq),
        "effects": select(Book.__table__).where(Book.title.like(f"%{job_id}%")).order_by(Book.book_id),
        "book": select(Book.__table__).where(Book.book_id.in_(its_book)),
        "chunks": select(Chunk.__table__).where(Chunk.book_id.in_(its_book)),
        "called off": select(Book.__table__).where(Book.title.like("must not%")),
    }
    with Session(engine) as session:
        return {name: [dict(row) for row in session.execute(query).mappings()] for name, query in wanted.items()}
