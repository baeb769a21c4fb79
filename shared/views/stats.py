"""How the system does: what waits and runs now, and what has ended in a window of the near past.

History is read only through the index on `completed_at` and only as far as the window; nothing counts a whole table.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.errors import InvalidInput
from shared.models import Job, Worker
from shared.states import TERMINAL
from shared.views.jobs import count_jobs_by_state
from shared.views.queues import list_queues

LONGEST_WINDOW = 7 * 86_400
SAMPLE = 5000
"""Waits and durations are those of the last so many jobs of the window."""


def stats(session: Session, window_seconds: int = 3600) -> dict[str, Any]:
    """What there is to know at one look:

    - `now`, `waiting`, `running`: exact counts of active jobs; `queues` as in `list_queues`;
    - `oldest_due_at`: since when the first of the due jobs could run;
    - `workers`, `slots`: live workers that claim, and how many jobs they can run;
    - `window_seconds`, `finished`: how many jobs ended in the window, by state; `finished_per_minute`;
    - `wait_seconds`, `duration_seconds`: {`p50`, `p95`, `max`} of its last 5,000 jobs that ran: from when a job could
      first have run to its start, and from there to its end. None where there is none.

    Raises InvalidInput for a window longer than a week.
    """
    if not 1 <= window_seconds <= LONGEST_WINDOW:
        raise InvalidInput("window_seconds", f"must be from 1 to {LONGEST_WINDOW}")
    now = session.scalars(select(db_now())).one()
    since = now - timedelta(seconds=window_seconds)
    queues = list_queues(session)
    ended = select(Job.state, func.count()).where(Job.completed_at.is_not(None), Job.completed_at >= since)
    counted = dict(session.execute(ended.group_by(Job.state)).all())
    waits, durations = _times(session, since)
    live = session.execute(
        select(func.count(), func.sum(Worker.concurrency)).where(
            Worker.state == "running", Worker.lease_until > db_now()
        )
    ).one()
    return {
        "now": now,
        **count_jobs_by_state(session),
        "oldest_due_at": min((row["oldest_due_at"] for row in queues if row["oldest_due_at"]), default=None),
        "workers": live[0],
        "slots": int(live[1] or 0),
        "window_seconds": window_seconds,
        "finished": {state.value: counted.get(state.value, 0) for state in sorted(TERMINAL)},
        "finished_per_minute": round(sum(counted.values()) * 60 / window_seconds, 2),
        "wait_seconds": percentiles(waits),
        "duration_seconds": percentiles(durations),
        "queues": queues,
    }


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Median, 95th percentile and maximum, each one of the values; None of none."""
    if not values:
        return None
    ranked = sorted(values)
    at = {name: ranked[min(len(ranked) - 1, len(ranked) * part // 100)] for name, part in (("p50", 50), ("p95", 95))}
    return {name: round(value, 3) for name, value in (at | {"max": ranked[-1]}).items()}


def _times(session: Session, since: datetime) -> tuple[list[float], list[float]]:
    query = (
        select(Job.run_at, Job.started_at, Job.completed_at)
        .where(Job.completed_at.is_not(None), Job.completed_at >= since, Job.started_at.is_not(None))
        .order_by(Job.completed_at.desc())
        .limit(SAMPLE)
    )
    rows: Sequence[Any] = session.execute(query).all()
    waits = [max(0.0, (row.started_at - row.run_at).total_seconds()) for row in rows]
    durations = [max(0.0, (row.completed_at - row.started_at).total_seconds()) for row in rows]
    return waits, durations
