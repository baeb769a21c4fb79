"""Many jobs' rows, some hundred at a time: how many, in which order they are taken, in which order they are locked.

The order is that of job_id, in which rows are locked everywhere, so that nobody who waits for one is waited for. Each
batch is a transaction of its own: none holds thousands of rows, and what is done stays done.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select

from shared.models import Job

BATCH = 500
"""Jobs whose rows are locked at a time."""

Rows = TypeVar("Rows", bound=Select[*tuple[Any, ...]])


def batches(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in portions, each for a transaction of its own."""
    ordered = sorted(set(job_ids))
    return (ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH))


def next_batch(query: Rows, after: str | None, limit: int = BATCH) -> Rows:
    """The first of the jobs that `query` finds, or those that come after the job of this id."""
    following = query if after is None else query.where(Job.job_id > after)
    return following.order_by(Job.job_id).limit(limit)


def locked(query: Rows) -> Rows:
    """The same, their rows locked one after the other."""
    return query.order_by(Job.job_id).with_for_update()
