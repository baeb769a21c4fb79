"""The figures of the front page: what waits and runs, how much ended lately and how long it had waited, what is wrong.

Every query is bounded, however long the history is: states are counted up to `COUNTED`, and of the jobs that ended
lately the newest `READ` are looked at. Where that cuts a window short, the answer says from when on it speaks.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, case, cast, func, literal_column, select
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.database import is_postgresql
from shared.models import Job
from shared.states import ACTIVE, JobState

COUNTED = 10_000
READ = 50_000

WAIT_CLASSES = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400)
"""Upper bounds of the classes that waiting times are counted in, in seconds; the last class has none."""

WINDOWS = {"hour": (timedelta(hours=1), 60), "day": (timedelta(days=1), 48)}
"""How far back, and in how many slots."""


def count_active(session: Session) -> dict[str, int]:
    """How many jobs run, wait and are due, and wait for a later time (`scheduled`), each up to `COUNTED` + 1."""
    waiting = Job.state == literal_column("'waiting'")

    def count(*tests: ColumnElement[bool]) -> int:
        some = select(Job.job_id).where(*tests).limit(COUNTED + 1).subquery()
        return session.scalar(select(func.count()).select_from(some)) or 0

    return {
        "running": count(Job.state == literal_column("'running'")),
        "waiting": count(waiting, Job.run_at <= _now(session)),
        "scheduled": count(waiting, Job.run_at > _now(session)),
    }


def ended_lately(session: Session, window: str) -> dict[str, Any]:
    """What ended in the last "hour" or "day", and how long it had waited:

    - `since`, `now`: the window; `from`: what is before it was not looked at, because too many jobs ended since;
    - `totals`: jobs by terminal state; `slots`: [{`at`, a count for each terminal state, `waits`}], the oldest first.
      `waits` counts jobs by class of `WAIT_CLASSES`, from when they were due to when they were started.
    """
    length, count = WINDOWS[window]
    now = _now(session)
    since = now - length
    step = length / count
    newest = (
        select(Job.completed_at, Job.state, Job.run_at, Job.started_at)
        .where(Job.completed_at > since)
        .order_by(Job.completed_at.desc())
        .limit(READ)
        .subquery()
    )
    slot = _whole(session, (_epoch(session, newest.c.completed_at) - since.timestamp()) / step.total_seconds())
    wait = _epoch(session, newest.c.started_at) - _epoch(session, newest.c.run_at)
    classes = case((newest.c.started_at.is_(None), -1), else_=_class_of(session, wait))
    labelled = select(slot.label("slot"), newest.c.state, classes.label("wait_class"), newest.c.completed_at).subquery()
    query = select(
        labelled.c.slot, labelled.c.state, labelled.c.wait_class, func.count(), func.min(labelled.c.completed_at)
    ).group_by(labelled.c.slot, labelled.c.state, labelled.c.wait_class)
    ended = sorted(set(JobState) - ACTIVE)
    slots = [{"at": since + number * step, **dict.fromkeys(ended, 0), "waits": {}} for number in range(count)]
    totals = dict.fromkeys(map(str, ended), 0)
    oldest = now
    for number, state, wait_class, jobs, first in session.execute(query):
        here = slots[min(max(number, 0), count - 1)]
        here[state] += jobs
        totals[state] += jobs
        oldest = min(oldest, first)
        if wait_class >= 0:
            here["waits"][wait_class] = here["waits"].get(wait_class, 0) + jobs
    is_cut = sum(totals.values()) >= READ
    return {"since": since, "now": now, "from": oldest if is_cut else since, "totals": totals, "slots": slots}


def quantile(waits: dict[int, int], share: float) -> float | None:
    """About so long did this share of the jobs wait at most, in seconds; None for no jobs.

    Within its class the place is taken to be even, so that the figure is right to within one class.
    """
    total = sum(waits.values())
    if not total:
        return None
    rank, seen = share * total, 0
    for number in sorted(waits):
        if seen + waits[number] >= rank:
            low = WAIT_CLASSES[number - 1] if number else 0.0
            high = WAIT_CLASSES[number] if number < len(WAIT_CLASSES) else low
            return low + (high - low) * max(0.0, rank - seen) / waits[number]
        seen += waits[number]
    return None


def _now(session: Session) -> datetime:
    """The database's clock, as a value: an index can be searched by it."""
    return session.execute(select(db_now())).scalar_one()


def _class_of(session: Session, wait: ColumnElement[float]) -> ColumnElement[int]:
    """The number of the class in WAIT_CLASSES; PostgreSQL has a search for it, which is not the walk of a CASE."""
    if is_postgresql(session.connection()):
        bounds: ColumnElement[Any] = literal_column(f"ARRAY[{', '.join(map(str, WAIT_CLASSES))}]::float8[]")
        return func.width_bucket(wait, bounds)
    return case(*((wait < bound, number) for number, bound in enumerate(WAIT_CLASSES)), else_=len(WAIT_CLASSES))


def _whole(session: Session, figure: ColumnElement[float]) -> ColumnElement[int]:
    """The whole part of a figure that is not below 0: PostgreSQL rounds in a cast, SQLite cuts."""
    return cast(func.floor(figure) if is_postgresql(session.connection()) else figure, Integer)


def _epoch(session: Session, instant: Any) -> ColumnElement[float]:
    """Seconds since 1970."""
    if is_postgresql(session.connection()):
        return func.date_part("epoch", instant)  # a double at once; extract() goes by way of numeric
    return (func.julianday(instant) - 2440587.5) * 86_400.0
