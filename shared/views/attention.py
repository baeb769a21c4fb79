"""What needs a person: jobs that ended badly lately, jobs that are stuck, and why nobody does the work.

All of it is small and comes from partial indexes; a healthy system answers with nothing.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, literal_column, or_, select
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.models import IS_RUNNING, Job, LlmCircuit, Queue, Worker

LATELY = timedelta(days=1)
_IS_BAD: ColumnElement[bool] = literal_column("state IN ('error', 'failed')")
"""As text, so that the planner knows that the index `jobs_went_wrong` has them all."""
_HEAD = (Job.job_id, Job.job_type, Job.state, Job.book_id)


def needs_attention(session: Session, *, limit: int = 5) -> dict[str, Any]:
    """- `went_wrong`: the newest jobs that ended in error or failed within a day, as a head with `error_message`;

    - `stuck`: running jobs whose worker has not been heard of within its lease, or that are past their deadline;
    - `first_due`: the first in line (job_id, job_type, queue, run_at), None where none is;
    - `live_workers`: how many claim jobs; `troubles`: what live workers say keeps them from working;
    - `paused_queues`: their names; `paused_models`: providers' models nobody asks before `open_until`.
    """
    now = session.execute(select(db_now())).scalar_one()
    went_wrong = (
        select(*_HEAD, Job.error_message, Job.completed_at)
        .where(_IS_BAD, Job.completed_at > now - LATELY)
        .order_by(Job.completed_at.desc())
        .limit(limit)
    )
    has_lease = select(Worker.worker_id).where(Worker.lease_until > now, Worker.state != "stopped")
    stuck = (
        select(*_HEAD, Job.started_at, Job.deadline_at)
        .where(IS_RUNNING, or_(Job.worker_id.not_in(has_lease), Job.deadline_at < now - timedelta(seconds=60)))
        .order_by(Job.started_at)
        .limit(limit)
    )
    due = (
        select(Job.job_id, Job.job_type, Job.queue, Job.run_at)
        .where(Job.state == literal_column("'waiting'"), Job.run_at <= now)
        .order_by(Job.priority.desc(), Job.run_at, Job.job_id)
        .limit(1)
    )
    workers = session.execute(select(Worker.state, Worker.trouble).where(Worker.lease_until > now)).all()
    paused_models = select(LlmCircuit.provider, LlmCircuit.model, LlmCircuit.open_until, LlmCircuit.reason)
    return {
        "went_wrong": [dict(row) for row in session.execute(went_wrong).mappings()],
        "stuck": [dict(row) for row in session.execute(stuck).mappings()],
        "first_due": _first(session, due),
        "live_workers": sum(1 for state, _ in workers if state == "running"),
        "troubles": sorted({trouble for _, trouble in workers if trouble}),
        "paused_queues": list(session.scalars(select(Queue.queue).where(Queue.paused_at.is_not(None)).limit(limit))),
        "paused_models": [
            dict(row)
            for row in session.execute(paused_models.where(LlmCircuit.open_until > now).limit(limit)).mappings()
        ],
    }


def _first(session: Session, query: Any) -> dict[str, Any] | None:
    row = session.execute(query).mappings().first()
    return dict(row) if row else None
