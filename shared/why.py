"""Why a waiting job is waiting: one question, one answer, for the CLI, the API and the pages.

`load_facts` asks the database, `why_waiting` decides; the order of its rules is the order in which a person
would want to know. Nothing is changed, and the answer is as current as the moment it was read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from shared.clock import db_now
from shared.errors import NotFound
from shared.line import COUNTED, comes_first, not_done, place_in_line
from shared.models import SUSPECT_AFTER, Book, Chunk, Job, JobDependency, JobTypeLimit, Queue, Worker
from shared.states import JobState, LockScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one reading of the database says about a job. `position` counts from 1 among the jobs that are due.

    `postponed_because`: what put it off, if it was. `blockers`: (job_id, state) of the jobs it depends on and that are
    not done. `knows_type` and `serves_queue`: whether a live worker runs this type, and whether one of those also
    serves this queue. `has_paused_worker`: whether a worker that claims nothing at the moment does both. `trouble`: why
    no one that serves it can do any work. `suspect`: the job that runs or comes first where this one and that one may
    both be what kills workers.
    """

    state: str
    job_type: str
    queue: str
    run_at: datetime
    now: datetime
    attempt: int = 0
    postponed_because: str | None = None
    is_queue_paused: bool = False
    queue_limit: int | None = None
    queue_running: int = 0
    type_limit: int | None = None
    type_running: int = 0
    blockers: tuple[tuple[str, str], ...] = ()
    book_locked_by: str | None = None
    chunk_locked_by: str | None = None
    earlier_job: str | None = None
    live_workers: int = 0
    knows_type: bool = False
    serves_queue: bool = False
    has_paused_worker: bool = False
    trouble: str | None = None
    suspect: str | None = None
    position: int = 1
    is_cancel_requested: bool = False


def why_waiting(facts: Facts) -> str:
    """One sentence without a full stop: why the job does not run right now."""
    if facts.state != JobState.WAITING:
        return f"not waiting: it is {facts.state}"
    if facts.is_cancel_requested:
        if not facts.live_workers:
            return (
                "it is to be called off, which a worker does, but none is running; start one with: bookbot-worker run"
            )
        return "it is being called off"
    if facts.blockers:
        shown = ", ".join(f"{job_id} ({state})" for job_id, state in facts.blockers[:3])
        more = f" and {len(facts.blockers) - 3} more" if len(facts.blockers) > 3 else ""
        return f"blocked until other jobs are done: {shown}{more}"
    if facts.run_at > facts.now:
        if facts.postponed_because:
            return f"{facts.postponed_because}; it is tried again at {_shown(facts.run_at)}"
        again = f", to start attempt {facts.attempt + 1}" if facts.attempt else ""
        return f"scheduled for {_shown(facts.run_at)}{again}"
    if facts.is_queue_paused:
        return f"the queue {facts.queue!r} is paused"
    if facts.has_paused_worker and not facts.serves_queue:
        served = f" and serve the queue {facts.queue!r}" if facts.knows_type else ""
        return f"the workers that know {facts.job_type!r}{served} are paused"
    if not facts.live_workers:
        return "no worker is running; start one with: bookbot-worker run"
    if not facts.knows_type:
        return f"no live worker knows the job type {facts.job_type!r}"
    if not facts.serves_queue:
        return f"no live worker that knows {facts.job_type!r} serves the queue {facts.queue!r}"
    if facts.trouble:
        return f"the workers that could run it can do no work: {facts.trouble}"
    if facts.queue_limit is not None and facts.queue_running >= facts.queue_limit:
        return f"the queue {facts.queue!r} runs {facts.queue_running} jobs, its limit is {facts.queue_limit}"
    if facts.type_limit is not None and facts.type_running >= facts.type_limit:
        return f"{facts.type_running} jobs of type {facts.job_type!r} run, the limit is {facts.type_limit}"
    if facts.book_locked_by:
        return f"the book is locked by job {facts.book_locked_by}"
    if facts.chunk_locked_by:
        return f"a chunk it needs is locked by job {facts.chunk_locked_by}"
    if facts.earlier_job:
        return f"job {facts.earlier_job}, which needs the same book or chunk, comes first"
    if facts.suspect:
        return f"it lost two workers, as did job {facts.suspect}: which of them kills is found out one at a time"
    if facts.position > COUNTED:
        return f"in line, more than {COUNTED} jobs are ahead"
    return f"next in line, position {facts.position}"


def explain(session: Session, job_id: str) -> str:
    """`why_waiting` for the job with this id. Raises NotFound."""
    return why_waiting(load_facts(session, job_id))


def load_facts(session: Session, job_id: str) -> Facts:
    """Read everything `why_waiting` wants to know about one job. Raises NotFound."""
    job: Any = session.execute(select(Job.__table__, db_now().label("now")).where(Job.job_id == job_id)).one_or_none()
    if job is None:
        raise NotFound("job", job_id)
    basic = {name: getattr(job, name) for name in ("state", "job_type", "queue", "run_at", "now", "attempt")}
    if job.state != JobState.WAITING:
        return Facts(**basic)
    return Facts(
        **basic,
        **_queue(session, job),
        **_type(session, job),
        **_locks(session, job),
        **_workers(session, job),
        postponed_because=job.progress_message,
        is_cancel_requested=job.cancel_requested_at is not None,
        blockers=_blockers(session, job),
        suspect=_suspect(session, job),
        position=place_in_line(session, job),
    )


def _queue(session: Session, job: Any) -> dict[str, Any]:
    row = session.execute(select(Queue.paused_at, Queue.max_running).where(Queue.queue == job.queue)).one_or_none()
    if row is None:
        return {}
    running = select(func.count()).where(Job.state == JobState.RUNNING, Job.queue == job.queue)
    return {
        "is_queue_paused": row.paused_at is not None,
        "queue_limit": row.max_running,
        "queue_running": session.scalar(running) or 0,
    }


def _type(session: Session, job: Any) -> dict[str, Any]:
    most = session.scalar(select(JobTypeLimit.max_running).where(JobTypeLimit.job_type == job.job_type))
    running = select(func.count()).where(Job.state == JobState.RUNNING, Job.job_type == job.job_type)
    return {} if most is None else {"type_limit": most, "type_running": session.scalar(running) or 0}


def _blockers(session: Session, job: Any) -> tuple[tuple[str, str], ...]:
    query = (
        select(Job.job_id, Job.state)
        .join(JobDependency, JobDependency.depends_on_job_id == Job.job_id)
        .where(JobDependency.job_id == job.job_id, not_done(Job))
        .order_by(Job.job_id)
    )
    return tuple((job_id, state) for job_id, state in session.execute(query))


def _locks(session: Session, job: Any) -> dict[str, Any]:
    """Who holds what this job needs: its book, and its chunk or (for a job on the whole book) any chunk."""
    if job.lock_scope is None:
        return {}
    needed = (Chunk.book_id == job.book_id) & Chunk.locked_by_job_id.is_not(None)
    if job.lock_scope == LockScope.CHUNK:
        needed &= Chunk.chunk_id == job.chunk_id
    earlier = aliased(Job)
    wants_the_same = or_(earlier.lock_scope == LockScope.BOOK, earlier.chunk_id == job.chunk_id)
    before = (
        select(earlier.job_id)
        .where(earlier.book_id == job.book_id, earlier.lock_scope.is_not(None), wants_the_same)
        .where(comes_first(earlier, job))
        .order_by(earlier.priority.desc(), earlier.run_at, earlier.job_id)
        .limit(1)
    )
    return {
        "book_locked_by": session.scalar(select(Book.locked_by_job_id).where(Book.book_id == job.book_id)),
        "chunk_locked_by": session.scalar(select(Chunk.locked_by_job_id).where(needed).limit(1)),
        "earlier_job": session.scalar(before),
    }


def _workers(session: Session, job: Any) -> dict[str, Any]:
    """The workers that claim: running, not paused or draining, and heard of within their lease; and those paused."""
    has_lease = Worker.lease_until > db_now()  # not so where it is NULL: the first beat comes with the row
    columns = (Worker.state, Worker.job_types, Worker.queues, Worker.trouble)
    found = session.execute(select(*columns).where(has_lease)).all()
    live = [worker for worker in found if worker.state == "running"]
    knowing = [worker for worker in live if job.job_type in worker.job_types]
    paused = [worker for worker in found if worker.state == "paused" and job.job_type in worker.job_types]
    serving = _serving(job.queue, knowing)
    return {
        "live_workers": len(live),
        "knows_type": bool(knowing),
        "serves_queue": bool(serving),
        "has_paused_worker": bool(_serving(job.queue, paused)),
        "trouble": serving[0].trouble if serving and all(worker.trouble for worker in serving) else None,
    }


def _serving(queue: str, workers: Sequence[Any]) -> list[Any]:
    """Those of the workers that serve the queue. An empty list of queues means all of them."""
    return [worker for worker in workers if not worker.queues or queue in worker.queues]


def _suspect(session: Session, job: Any) -> str | None:
    """Of the other jobs that have lost as many workers: one that runs, else the first that comes before this one."""
    other = aliased(Job)
    comes_before = or_(other.state == JobState.RUNNING, comes_first(other, job))
    are_suspects = and_(literal(job.losses) >= SUSPECT_AFTER, other.losses >= SUSPECT_AFTER)
    query = (
        select(other.job_id)
        .where(are_suspects, comes_before, other.job_id != job.job_id)
        .order_by(other.state == JobState.WAITING, other.priority.desc(), other.run_at, other.job_id)
    )
    return session.scalar(query.limit(1))


def _shown(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
