"""Queues and job types as they stand: what waits, what runs, what is paused, limited, or served by nobody."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.models import Job, JobTypeLimit, Queue, Worker
from shared.states import JobState

COUNTED = 10_000
"""Waiting jobs are counted up to here, all queues together; beyond, `waiting` is what was counted of them."""


def list_queues(session: Session) -> list[dict[str, Any]]:
    """Every queue that has active jobs, a rule, or a worker that names it, by name:

    - `queue`, `paused_at`, `max_running`;
    - `waiting`, `due`: jobs that wait, and those of them whose time has come; exact up to 10,000 waiting jobs in all,
      beyond that `is_capped` is true;
    - `running`: jobs that run;
    - `oldest_due_at`: since when the first of the due jobs could run, None where none is due;
    - `workers`: how many live workers serve it and are not paused or draining.
    """
    now = session.scalar(select(db_now()))
    rules = {row.queue: row for row in session.execute(select(Queue.queue, Queue.paused_at, Queue.max_running))}
    waiting, is_capped = _waiting(session)
    running = _running(session, "queue")
    served = _served(session)
    names = {*rules, *waiting, *running, *(name for queues in served for name in queues)}
    found = []
    for name in sorted(names):
        rule, (count, due, oldest) = rules.get(name), waiting.get(name, (0, 0, None))
        found.append(
            {
                "queue": name,
                "paused_at": rule.paused_at if rule else None,
                "max_running": rule.max_running if rule else None,
                "waiting": count,
                "due": due,
                "running": running.get(name, 0),
                "oldest_due_at": oldest if oldest and now and oldest <= now else None,
                "workers": sum(not queues or name in queues for queues in served),
                "is_capped": is_capped,
            }
        )
    return found


def list_job_type_limits(session: Session) -> list[dict[str, Any]]:
    """The job types that are limited, by name: `job_type`, `max_running`, and how many are `running`."""
    running = _running(session, "job_type")
    query = select(JobTypeLimit.job_type, JobTypeLimit.max_running).order_by(JobTypeLimit.job_type)
    return [{**row, "running": running.get(row["job_type"], 0)} for row in session.execute(query).mappings()]


def _waiting(session: Session) -> tuple[dict[str, tuple[int, int, Any]], bool]:
    """By queue: how many wait, how many of those are due, and when the first was; and whether that is not all."""
    first = (
        select(Job.queue, Job.run_at)
        .where(Job.state == JobState.WAITING)
        .order_by(Job.priority.desc(), Job.run_at, Job.job_id)
        .limit(COUNTED)
        .subquery()
    )
    due = func.count().filter(first.c.run_at <= db_now())
    query = select(first.c.queue, func.count(), due, func.min(first.c.run_at)).group_by(first.c.queue)
    found = {row[0]: (row[1], row[2], row[3]) for row in session.execute(query)}
    return found, sum(count for count, _, _ in found.values()) == COUNTED


def _running(session: Session, column: str) -> dict[str, int]:
    name = getattr(Job, column)
    query = select(name, func.count()).where(Job.state == JobState.RUNNING).group_by(name)
    return dict(session.execute(query).all())


def _served(session: Session) -> list[list[str]]:
    """The queues of each live worker that claims; an empty list means all."""
    query = select(Worker.queues).where(Worker.state == "running", Worker.lease_until > db_now())
    return list(session.scalars(query))
