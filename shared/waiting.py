"""Why a waiting job is waiting, decided: facts in, one sentence out. Asks nothing and nobody.

The order of the rules is the order in which a person would want to know. `shared/why.py` reads the facts.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.states import JobState

COUNTED = 1000
"""Places in line are counted up to here; beyond, the answer says "more than"."""


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


def _shown(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
