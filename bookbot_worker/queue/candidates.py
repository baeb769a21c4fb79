"""Which jobs a worker may claim, as one statement: due, not blocked, not locked, not overtaking."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    false,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import aliased

from bookbot_worker.queue.limits import has_limits, is_not_full
from shared.clock import db_transaction_time
from shared.models import SUSPECT_AFTER, Book, Chunk, Job, JobDependency, Queue
from shared.states import TERMINAL, JobState, LockScope


def word(text: str) -> ColumnElement[str]:
    """A word that stays the same, in the statement's text and not as a parameter.

    A prepared plan must know it to use the partial indexes, and each parameter costs the driver 3 µs at every claim.
    """
    return literal_column("'" + text.replace("'", "''") + "'")


_WAITING = word(JobState.WAITING)
_TERMINAL = [word(state) for state in sorted(TERMINAL)]


_CANDIDATE = (Job.job_id, Job.lock_scope, Job.book_id, Job.chunk_id, Job.queue, Job.job_type)


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims: the worker's id, the job types it knows, the queues it serves (empty: all).

    `timeouts`: how many seconds one run of a job of each type may take; types left out have no bound. `avoids_full`: it
    takes nothing of `:full_queues` and `:full_types`.
    """

    worker_id: str
    job_types: tuple[str, ...]
    queues: tuple[str, ...] = ()
    timeouts: tuple[tuple[str, float], ...] = ()
    avoids_full: bool = False


@lru_cache(maxsize=128)
def candidates(claimant: Claimant, *, is_below: bool = False) -> Select[Any, Any, Any, Any, Any, Any, Any, Any, Any]:
    """The first `:free` jobs this worker could run, locked; those another claimer looks at are skipped.

    The columns of a `Candidate`, whether anything is limited, and its place in claim order. `is_below`: only jobs of a
    lower priority than `:below`, which is where the search in the index begins then.

    Built once (5.7 ms) and run often (0.5 ms). Of jobs that need the same book or chunk only the first in claim
    order is a candidate, so that many jobs for one book cannot fill the batch, and a waiting BookJob is not
    overtaken by chunk jobs that come after it.

    Of the suspects, jobs whose workers died more than once, only one is a candidate, and none where `:runs_a_suspect`.

    CASE keeps PostgreSQL from asking the dearest question first: for a book of 5,000 scenes, each waiting for the one
    before, joining in an order of its own took 4 s, this takes 25 ms.
    """
    may_run = case(
        (and_(Job.losses >= SUSPECT_AFTER, ~_is_the_one_suspect(claimant)), false()),
        (_is_blocked(Job), false()),
        (Job.lock_scope.is_(None), true()),
        (_is_locked(Job), false()),
        else_=~_comes_after_another(claimant),
    )
    below = [Job.priority < bindparam("below", type_=Integer)] if is_below else []
    return (
        select(*_CANDIDATE, has_limits(), Job.priority, Job.run_at)
        .where(_is_due(Job, claimant), may_run, *below)
        .order_by(Job.priority.desc(), Job.run_at, Job.job_id)
        .limit(bindparam("free", type_=Integer))
        .with_for_update(of=Job, skip_locked=True)
    )


def _is_the_one_suspect(claimant: Claimant) -> ColumnElement[bool]:
    """It is the first suspect that can start, and this worker runs none: beside another nobody could tell who kills."""
    suspect = aliased(Job)
    first = (
        select(suspect.job_id)
        .where(suspect.losses >= SUSPECT_AFTER, is_claimable(suspect, claimant), ~_is_locked(suspect))
        .order_by(suspect.priority.desc(), suspect.run_at, suspect.job_id)
        .limit(1)
        .scalar_subquery()
    )
    return and_(bindparam("runs_a_suspect", type_=Boolean) == false(), Job.job_id == first)


def is_claimable(job: type[Job], claimant: Claimant) -> ColumnElement[bool]:
    """Waiting, not called off, due, of a known type, in a served and unpaused queue, its needs done; locks aside."""
    return and_(_is_due(job, claimant), ~_is_blocked(job))


def _is_due(job: type[Job], claimant: Claimant) -> ColumnElement[bool]:
    """What the job's own row, and its queue's, say."""
    conditions = [
        job.state == _WAITING,
        job.cancel_requested_at.is_(None),
        job.run_at <= db_transaction_time(),
        job.job_type.in_(map(word, claimant.job_types)),
        job.queue.not_in(select(Queue.queue).where(Queue.paused_at.is_not(None))),
    ]
    if claimant.avoids_full:
        conditions.append(is_not_full(job))
    if claimant.queues:
        conditions.append(job.queue.in_(map(word, claimant.queues)))
    return and_(*conditions)


def _is_blocked(job: type[Job]) -> ColumnElement[bool]:
    """Something it depends on is not done."""
    depends_on = aliased(Job)
    return (
        select(1)
        .where(
            JobDependency.job_id == job.job_id,
            depends_on.job_id == JobDependency.depends_on_job_id,
            or_(
                and_(JobDependency.needs == word("completed"), depends_on.state != word(JobState.COMPLETED)),
                depends_on.state.not_in(_TERMINAL),
            ),
        )
        .exists()
    )


def _is_locked(job: type[Job]) -> ColumnElement[bool]:
    """The book, or what is needed of its chunks, is held. Only a filter: `take_locks` decides."""
    book = select(1).where(Book.book_id == job.book_id, Book.locked_by_job_id.is_not(None)).exists()
    chunk = (
        select(1)
        .where(
            Chunk.book_id == job.book_id,
            Chunk.locked_by_job_id.is_not(None),
            or_(job.lock_scope == word(LockScope.BOOK), Chunk.chunk_id == job.chunk_id),
        )
        .exists()
    )
    return or_(book, chunk)


def _comes_after_another(claimant: Claimant) -> ColumnElement[bool]:
    """A claimable job that stands before this one in claim order wants the whole book, or the same chunk.

    Two questions, so that each is answered by the index on (book_id, lock_scope, chunk_id).
    """
    return or_(
        _stands_before(LockScope.BOOK, claimant),
        and_(Job.chunk_id.is_not(None), _stands_before(LockScope.CHUNK, claimant)),
    )


def _stands_before(scope: LockScope, claimant: Claimant) -> ColumnElement[bool]:
    earlier = aliased(Job)
    stands_before = or_(
        earlier.priority > Job.priority,
        and_(
            earlier.priority == Job.priority,
            tuple_(earlier.run_at, earlier.job_id) < tuple_(Job.run_at, Job.job_id),
        ),
    )
    return (
        select(1)
        .where(
            earlier.book_id == Job.book_id,
            earlier.lock_scope == word(scope),
            earlier.chunk_id == Job.chunk_id if scope is LockScope.CHUNK else true(),
            stands_before,
            is_claimable(earlier, claimant),
        )
        .exists()
    )
