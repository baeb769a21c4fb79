"""Schedules and what they have done: their next ticks, their last jobs, and what is wrong with them."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.cron import GRACE, next_ticks
from shared.errors import NotFound
from shared.models import Job, Schedule, ScheduleTick

_TICKS = 20


def list_schedules(session: Session, *, ticks: int = 3) -> list[dict[str, Any]]:
    """The schedules by name: their columns, and

    - `next_ticks`: the next instants, at most `ticks` of them; none where it is disabled;
    - `is_overdue`: its tick is due for more than a minute and nobody came, as no worker runs that knows its job type;
    - `last_job_id`, `last_job_state`: of the job of its last tick, where that has not been pruned.
    """
    now = session.scalar(select(db_now()))
    assert now is not None  # noqa: S101 - a clock has always an answer
    found = []
    for row in session.execute(select(*Schedule.__table__.columns).order_by(Schedule.name)).mappings():
        start = row["next_run_at"]
        coming = [] if start is None else [start, *next_ticks(row["cron"], row["timezone"], max(start, now), ticks)]
        found.append(
            {
                **row,
                "next_ticks": coming[:ticks],
                "is_overdue": start is not None and start < now - GRACE,
                **_last_job(session, row["name"]),
            }
        )
    return found


def get_schedule(session: Session, name: str, *, ticks: int = 5) -> dict[str, Any]:
    """One schedule as in `list_schedules`, and its last 20 `ticks`, newest first: [{`tick_at`, `job_id`, `state`}].

    `state` is that of the job, None where it is not there any more. Raises NotFound.
    """
    found = next((row for row in list_schedules(session, ticks=ticks) if row["name"] == name), None)
    if found is None:
        raise NotFound("schedule", name)
    query = (
        select(ScheduleTick.tick_at, ScheduleTick.job_id, Job.state)
        .outerjoin(Job, Job.job_id == ScheduleTick.job_id)
        .where(ScheduleTick.name == name)
        .order_by(ScheduleTick.tick_at.desc())
        .limit(_TICKS)
    )
    return found | {"ticks": [dict(row) for row in session.execute(query).mappings()]}


def _last_job(session: Session, name: str) -> dict[str, Any]:
    query = (
        select(ScheduleTick.job_id, Job.state)
        .join(Job, Job.job_id == ScheduleTick.job_id)
        .where(ScheduleTick.name == name)
        .order_by(ScheduleTick.tick_at.desc())
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return {"last_job_id": row[0] if row else None, "last_job_state": row[1] if row else None}
