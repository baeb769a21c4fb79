"""Many jobs at once, by filter: count them, call them off, run them again. For the CLI and the web alike.

The work goes in batches, each in the caller's transaction: commit, and call again with `after=batch.last` until that is
None (`shared.batches`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Select, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.batches import BATCH, locked, next_batch
from shared.control import cancel_families, waiting_again
from shared.database import announce_jobs
from shared.errors import InvalidInput
from shared.ids import check_id
from shared.models import JOBS, Job
from shared.states import ACTIVE, TERMINAL, JobState
from shared.text import check_text

COUNTED = 10_000
"""Matching jobs are counted up to here; beyond, the count says "more"."""

CANCELLED = ACTIVE
"""Of the jobs that fit a filter, those in these states are called off."""

RETRIED = frozenset({JobState.FAILED, JobState.ERROR})
"""And these run again, unless the filter names another state that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are meant; what is None does not matter. Raises InvalidInput where a value can fit no job.

    `older_than`: enqueued before this instant. `last_job_id`: not after this job, so that what is counted and what is
    changed later are the same jobs.
    """

    state: str | None = None
    job_type: str | None = None
    book_id: str | None = None
    queue: str | None = None
    parent_job_id: str | None = None
    older_than: datetime | None = None
    last_job_id: str | None = None

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in set(JobState):
            raise InvalidInput("state", f"{self.state[:40]!r} is none of {', '.join(JobState)}")
        for name in ("job_type", "queue"):
            if (text := getattr(self, name)) is not None:
                check_text(name, text, 64)
        for name in ("book_id", "parent_job_id", "last_job_id"):
            if (ident := getattr(self, name)) is not None:
                object.__setattr__(self, name, check_id(name, ident))


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs fit, exactly up to COUNTED; `str()` says "10000+" beyond."""

    number: int

    @property
    def is_capped(self) -> bool:
        """Whether there are more than `number`."""
        return self.number > COUNTED

    def __str__(self) -> str:
        return f"{COUNTED}+" if self.is_capped else str(self.number)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call did: jobs changed, running jobs that were `asked` to stop, those `skipped` and why.

    `last`: the id to go on after; None where no more jobs fit.
    """

    changed: int = 0
    asked: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    last: str | None = None


def matching(filters: JobFilter, states: Iterable[JobState] | None = None) -> Select[str]:
    """The ids of the jobs that fit, of these states (None: any); without an order."""
    query = select(Job.job_id)
    for column, value in (
        (Job.state, filters.state),
        (Job.job_type, filters.job_type),
        (Job.book_id, filters.book_id),
        (Job.queue, filters.queue),
        (Job.parent_job_id, filters.parent_job_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if filters.older_than is not None:
        query = query.where(Job.created_at < filters.older_than)
    if filters.last_job_id is not None:
        query = query.where(Job.job_id <= filters.last_job_id)
    return query if states is None else query.where(Job.state.in_(sorted(states)))


def count_matching(session: Session, filters: JobFilter, states: Iterable[JobState] | None = None) -> Count:
    """How many jobs fit, of these states (None: any). `states_to_cancel` and `states_to_retry` name those."""
    first = matching(filters, states).limit(COUNTED + 1).subquery()
    return Count(session.scalar(select(func.count()).select_from(first)) or 0)


def states_to_cancel(filters: JobFilter) -> frozenset[JobState]:
    """The states in which a job that fits is called off. Raises InvalidInput where the filter asks for ended jobs."""
    if filters.state is not None and filters.state not in CANCELLED:
        raise InvalidInput("state", f"a {filters.state} job has ended; there is nothing to cancel")
    return CANCELLED


def states_to_retry(filters: JobFilter) -> frozenset[JobState]:
    """The states in which a job that fits runs again. Raises InvalidInput where the filter asks for active jobs."""
    if filters.state is not None and filters.state not in TERMINAL:
        raise InvalidInput("state", f"a {filters.state} job has not ended; only an ended job can be retried")
    return RETRIED if filters.state is None else frozenset({JobState(filters.state)})


def cancel_matching(session: Session, filters: JobFilter, *, after: str | None = None, limit: int = BATCH) -> Batch:
    """Call off the next jobs that fit, and what they started. Waiting ones end at once, running ones are asked."""
    session.flush()
    ids = _next(session, filters, states_to_cancel(filters), after, limit)
    before = cancel_families(session.connection(), ids) if ids else {}
    session.expire_all()
    states = [before[job_id] for job_id in ids if job_id in before]
    return Batch(
        changed=states.count(JobState.WAITING),
        asked=states.count(JobState.RUNNING),
        skipped={job_id: "it has ended meanwhile" for job_id in ids if before[job_id].is_terminal},
        last=ids[-1] if len(ids) == limit else None,
    )


def retry_matching(
    session: Session, filters: JobFilter, *, fresh: bool = False, after: str | None = None, limit: int = BATCH
) -> Batch:
    """Put the next ended jobs that fit back to waiting; see `retry_job` for `fresh`.

    One whose unique key another active job holds is skipped.
    """
    session.flush()
    states = states_to_retry(filters)
    ids = _next(session, filters, states, after, limit)
    connection = session.connection()
    rows = select(Job.job_id, Job.unique_key).where(Job.job_id.in_(ids), Job.state.in_(sorted(states)))
    keys = {row.job_id: row.unique_key for row in connection.execute(locked(rows))}
    plain = [job_id for job_id, key in keys.items() if key is None]
    connection.execute(update(JOBS).where(Job.job_id.in_(plain)).values(**waiting_again(fresh)))
    refused = [job_id for job_id, key in keys.items() if key is not None and not _retry(connection, job_id, fresh)]
    if len(keys) > len(refused):
        announce_jobs(connection)
    session.expire_all()
    return Batch(
        changed=len(keys) - len(refused),
        skipped=dict.fromkeys(refused, "another job with its unique key is active"),
        last=ids[-1] if len(ids) == limit else None,
    )


def _next(session: Session, filters: JobFilter, states: Iterable[JobState], after: str | None, limit: int) -> list[str]:
    following = None if after is None else check_id("after", after)
    return list(session.scalars(next_batch(matching(filters, states), following, limit)))


def _retry(connection: Connection, job_id: str, fresh: bool) -> bool:
    """Whether the job could have its unique key back. A savepoint, because a refusal must not undo the others."""
    try:
        with connection.begin_nested():
            connection.execute(update(JOBS).where(Job.job_id == job_id).values(**waiting_again(fresh)))
    except IntegrityError:
        return False
    return True
