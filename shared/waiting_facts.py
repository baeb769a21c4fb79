"""What is known about a job that waits: the question of `why.py`, read from the database at one moment."""

from dataclasses import dataclass
from datetime import datetime


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
