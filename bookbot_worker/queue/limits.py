"""How many jobs of a queue or of a type may run at once, of all workers: exact, however many claim at the same moment.

Without limits this costs a claim nothing but a look at two small tables. Where a candidate is limited, its claim takes
three steps, as for books: 1. lock the limits' rows, 2. count what runs, in a new statement, 3. take no more than there
is room for. A claim holds jobs by then, so it waits for nobody: a limit that another claim has in hand is skipped, its
jobs are left, and the worker claims again. That second claim waits for the limit before it holds anything else. So
nobody who waits is waited for, and none of this can deadlock. What was found full is not searched by it.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Label, and_, bindparam, func, or_, select

from bookbot_worker.queue.locks import Candidate
from shared.models import IS_RUNNING, Job, JobTypeLimit, Queue


@dataclass(frozen=True, slots=True, order=True)
class Limited:
    """A queue or a job type that has a limit. In their order their rows are locked."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Within:
    """The candidates there is room for. `left`: how many were left for limits that are full, or in another's hands."""

    allowed: Sequence[Candidate]
    in_hand: frozenset[Limited] = frozenset()
    full: frozenset[Limited] = frozenset()
    left: int = 0


def is_not_full(job: type[Job]) -> ColumnElement[bool]:
    """Neither its queue nor its type is one of those known to be full, `:full_queues` and `:full_types`.

    Known from a claim of a moment ago. Counting here, in one statement with the search, made PostgreSQL expect a query
    so dear that it compiled it: 140 ms a claim.
    """
    return and_(
        job.queue.not_in(bindparam("full_queues", expanding=True)),
        job.job_type.not_in(bindparam("full_types", expanding=True)),
    )


def full_values(full: Collection[Limited]) -> dict[str, list[str]]:
    """The values of `:full_queues` and `:full_types`."""
    return {"full_queues": _names(full, "queue"), "full_types": _names(full, "type")}


def has_limits() -> Label[bool]:
    """Whether anything at all is limited."""
    queues = select(Queue.queue).where(Queue.max_running.is_not(None)).exists()
    return or_(queues, select(JobTypeLimit.job_type).exists()).label("has_limits")


def wait_for(connection: Connection, limits: Collection[Limited]) -> None:
    """Lock the rows of these limits, waiting for them, in the one order. Only by who holds nothing yet."""
    _lock(connection, limits, skip=False)


def within_limits(connection: Connection, found: Sequence[Candidate]) -> Within:
    """Those of the candidates that may start, in the order given."""
    limits = _limits(connection, {key for one in found for key in _keys(one)})
    if not limits:
        return Within(found)
    held = _lock(connection, limits, skip=True)
    in_hand = frozenset(limits - held.keys())
    allowed, room = choose(found, _room(connection, held), in_hand)
    full = frozenset(key for key, left in room.items() if left <= 0)
    return Within(allowed, in_hand, full, left=len(found) - len(allowed))


def choose(
    found: Sequence[Candidate], room: Mapping[Limited, int], in_hand: Collection[Limited]
) -> tuple[list[Candidate], dict[Limited, int]]:
    """Candidates (in claim order) as far as there is room, and what is left; without an entry there is no limit."""
    left = dict(room)
    allowed = []
    for candidate in found:
        keys = _keys(candidate)
        if any(key in in_hand or left.get(key, 1) <= 0 for key in keys):
            continue
        for key in keys:
            if key in left:
                left[key] -= 1
        allowed.append(candidate)
    return allowed, left


def _keys(candidate: Candidate) -> tuple[Limited, Limited]:
    return Limited("queue", candidate.queue), Limited("type", candidate.job_type)


def _limits(connection: Connection, wanted: Collection[Limited]) -> set[Limited]:
    """Which of these are limited."""
    queues = select(Queue.queue).where(Queue.queue.in_(_names(wanted, "queue")), Queue.max_running.is_not(None))
    types = select(JobTypeLimit.job_type).where(JobTypeLimit.job_type.in_(_names(wanted, "type")))
    found = {Limited("queue", name) for name in connection.scalars(queues)}
    return found | {Limited("type", name) for name in connection.scalars(types)}


def _lock(connection: Connection, limits: Collection[Limited], *, skip: bool) -> dict[Limited, int]:
    """Lock the rows of these, queues first, by name; returns the limits of those that could be locked."""
    queues = select(Queue.queue, Queue.max_running, Queue.paused_at).where(Queue.queue.in_(_names(limits, "queue")))
    types = select(JobTypeLimit.job_type, JobTypeLimit.max_running).where(
        JobTypeLimit.job_type.in_(_names(limits, "type"))
    )
    held: dict[Limited, int] = {}
    for queue, most, paused_at in connection.execute(queues.order_by(Queue.queue).with_for_update(skip_locked=skip)):
        held[Limited("queue", queue)] = _limit_of(most, paused_at)
    for job_type, most in connection.execute(types.order_by(JobTypeLimit.job_type).with_for_update(skip_locked=skip)):
        held[Limited("type", job_type)] = most
    return held


def _limit_of(max_running: int | None, paused_at: datetime | None) -> int:
    """A queue may have been paused, or freed of its limit, since it was looked at."""
    if paused_at is not None:
        return 0
    return sys.maxsize if max_running is None else max_running


def _room(connection: Connection, held: Mapping[Limited, int]) -> dict[Limited, int]:
    """How many more may start, counted in a statement that begins after the locks were granted."""
    of_these = or_(Job.queue.in_(_names(held, "queue")), Job.job_type.in_(_names(held, "type")))
    count = select(Job.queue, Job.job_type, func.count().label("running")).where(IS_RUNNING, of_these)
    room = dict(held)
    for queue, job_type, running in connection.execute(count.group_by(Job.queue, Job.job_type)):
        for key in (Limited("queue", queue), Limited("type", job_type)):
            if key in room:
                room[key] -= running
    return room


def _names(limits: Collection[Limited], kind: str) -> list[str]:
    return sorted(limit.name for limit in limits if limit.kind == kind)
