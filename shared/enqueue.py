"""Putting jobs into the queue: validate, insert, and nothing else.

With a `session` the job joins the caller's transaction: it exists if and when the caller commits. Without one,
it is committed here. Everything a caller can get wrong is refused before anything is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from shared.database import is_postgresql, joined
from shared.dependents import add_dependencies
from shared.errors import InvalidInput
from shared.ids import check_id, new_id
from shared.job_types import JobType, catalogue
from shared.models import JOBS, Job
from shared.models.plain import plain_job
from shared.references import check_books, check_jobs
from shared.rows import insert_rows
from shared.states import JobState, LockScope
from shared.text import check_json, check_text
from shared.tracing import trace_columns

BULK_FROM = 100
"""From this many on, jobs are inserted as rows, at once, and not as objects at the next flush: four times as fast."""
_PRIORITY_RANGE = range(-(2**31), 2**31)
_IS_ACTIVE = text("unique_key IS NOT NULL AND state IN ('waiting', 'running')")
"""As text, not with parameters: a plan for all values alike could not tell that it means the index (42P10)."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be. Values that are None come from the job type.

    `priority`: higher first. `run_at`: not before this instant (aware). `unique_key`: while a job with this key
    waits or runs, enqueuing another returns that one. `depends_on`: ids of jobs that must complete first;
    `awaits`: ids of jobs that must end first, however. `job_id` is known before the job is stored, so that of jobs
    created together a later one can name an earlier one.
    """

    job_type: str
    book_id: str | None = None
    chunk_id: str | None = None
    props: dict[str, Any] | BaseModel = field(default_factory=dict)
    queue: str | None = None
    priority: int = 0
    run_at: datetime | None = None
    unique_key: str | None = None
    parent_job_id: str | None = None
    depends_on: Sequence[str] = ()
    awaits: Sequence[str] = ()
    max_attempts: int | None = None
    job_id: str = field(default_factory=new_id)


def create_job(
    *,
    job_type: str,
    book_id: str | None = None,
    chunk_id: str | None = None,
    props: dict[str, Any] | BaseModel | None = None,
    session: Session | None = None,
    queue: str | None = None,
    priority: int = 0,
    run_at: datetime | None = None,
    unique_key: str | None = None,
    parent_job_id: str | None = None,
    depends_on: Sequence[str] = (),
    awaits: Sequence[str] = (),
    max_attempts: int | None = None,
) -> Job:
    """Enqueue one job; see `NewJob` for the values. The returned Job has its `job_id`.

    Raises UnknownJobType, InvalidInput (its `field` names the value) or NotFound; nothing is stored then.
    """
    new = NewJob(
        job_type=job_type,
        book_id=book_id,
        chunk_id=chunk_id,
        props={} if props is None else props,
        queue=queue,
        priority=priority,
        run_at=run_at,
        unique_key=unique_key,
        parent_job_id=parent_job_id,
        depends_on=depends_on,
        awaits=awaits,
        max_attempts=max_attempts,
    )
    return create_jobs([new], session=session)[0]


def create_jobs(new_jobs: Iterable[NewJob], *, session: Session | None = None) -> list[Job]:
    """Enqueue many jobs in one transaction, all or none; the result is in the order given.

    Raises like `create_job`, for the first job that is wrong.
    """
    rows = [(new, _row(new)) for new in new_jobs]
    if trace := trace_columns():
        rows = [(new, row | trace) for new, row in rows]
    with joined(session) as target:
        check_books(target, [row for _, row in rows])
        check_jobs(target, [(row, (*new.depends_on, *new.awaits)) for new, row in rows])
        plain = [row for _, row in rows if row["unique_key"] is None]
        if len(plain) < BULK_FROM:
            added = {row["job_id"]: Job(**row) for row in plain}
            target.add_all(added.values())
        else:
            added = {row["job_id"]: plain_job(row) for row in plain}
            target.flush()
            for is_timed in (False, True):  # one statement has one set of columns
                if part := [row for row in plain if ("run_at" in row) is is_timed]:
                    insert_rows(target.connection(), JOBS, part)
        jobs = [added.get(row["job_id"]) or _insert_unique(target, row) for _, row in rows]
        stored = {row["job_id"]: job.job_id for (_, row), job in zip(rows, jobs, strict=True)}
        fresh = [
            (job, new) for (new, row), job in zip(rows, jobs, strict=True) if stored[row["job_id"]] == row["job_id"]
        ]
        add_dependencies(target, [(job, _waits(new, stored)) for job, new in fresh if new.depends_on or new.awaits])
        return jobs


def check_job(new: NewJob, session: Session) -> None:
    """Raises what `create_job` would raise for it now; stores nothing."""
    check_books(session, [_row(new)])


def _row(new: NewJob) -> dict[str, Any]:
    """The column values of a new job, every one of them checked."""
    job_type = catalogue().get(new.job_type)
    props = _valid_props(job_type, new.props)
    chunk_id = props.get("chunk_id") if new.chunk_id is None else new.chunk_id
    if props.get("chunk_id") not in (None, chunk_id):
        raise InvalidInput("props.chunk_id", "is not the chunk_id given with the job")
    book_id = check_id("book_id", new.book_id) if new.book_id is not None else None
    if job_type.needs_book and book_id is None:
        raise InvalidInput("book_id", f"a {new.job_type} job needs the id of a book")
    if job_type.locks is LockScope.CHUNK and chunk_id is None:
        raise InvalidInput("chunk_id", f"a {new.job_type} job needs the id of a chunk")
    if new.run_at is not None and (not isinstance(new.run_at, datetime) or new.run_at.tzinfo is None):
        raise InvalidInput("run_at", "must be a datetime with a time zone")
    if type(new.priority) is not int or new.priority not in _PRIORITY_RANGE:
        raise InvalidInput("priority", "must be a whole number of 32 bits")
    attempts = job_type.retry.max_attempts if new.max_attempts is None else new.max_attempts
    if type(attempts) is not int or not 1 <= attempts <= 1000:
        raise InvalidInput("max_attempts", "must be from 1 to 1000")
    row = {
        "job_id": check_id("job_id", new.job_id),
        "book_id": book_id,
        "chunk_id": check_id("chunk_id", chunk_id) if chunk_id is not None else None,
        "job_type": job_type.name,
        "queue": _name("queue", job_type.queue if new.queue is None else new.queue, 64),
        "priority": new.priority,
        "lock_scope": job_type.locks,
        "props": props,
        "state": JobState.WAITING,
        "max_attempts": attempts,
        "unique_key": None if new.unique_key is None else _name("unique_key", new.unique_key, 255),
        "parent_job_id": None if new.parent_job_id is None else check_id("parent_job_id", new.parent_job_id),
    }
    return row if new.run_at is None else row | {"run_at": new.run_at}


def _name(field: str, text: str, limit: int) -> str:
    """`text`, checked. Raises InvalidInput, also where it is empty: a script's variable that was never set."""
    if not check_text(field, text, limit).strip():
        raise InvalidInput(field, "is empty")
    return text


def _valid_props(job_type: JobType, props: dict[str, Any] | BaseModel) -> dict[str, Any]:
    given = props.model_dump(mode="json", exclude_unset=True) if isinstance(props, BaseModel) else props
    if not isinstance(given, dict):
        raise InvalidInput("props", "must be a JSON object")
    check_json("props", given)
    job_type.validate(given)
    return given


def _insert_unique(session: Session, row: dict[str, Any]) -> Job:
    """The job that now holds the key: this one, or the one that already waits or runs with it.

    The insert waits for a concurrent one with the same key, so both callers get the same job. The holder may
    end between the two statements; then the key is free and the insert is tried again.
    """
    dialect = postgresql if is_postgresql(session.connection()) else sqlite
    statement = dialect.insert(Job).values(**row)
    statement = statement.on_conflict_do_nothing(index_elements=[Job.unique_key], index_where=_IS_ACTIVE)
    holder = select(Job).where(Job.unique_key == row["unique_key"], _IS_ACTIVE)
    while True:
        if session.execute(statement.returning(Job.job_id)).scalar_one_or_none():
            return session.get_one(Job, row["job_id"])
        if existing := session.scalars(holder).one_or_none():
            return existing


def _waits(new: NewJob, stored: Mapping[str, str]) -> dict[str, str]:
    """What `new` waits for: ids, and whether each must be "completed" or only "finished".

    `stored` leads from the id of a job of this call to the one that stands for it: the holder of its unique key.
    """
    waits = dict.fromkeys(new.awaits, "finished") | dict.fromkeys(new.depends_on, "completed")
    known = {check_id("depends_on", other): needs for other, needs in waits.items()}
    return {stored.get(other, other): needs for other, needs in known.items()}
