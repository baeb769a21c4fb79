"""Recurring jobs: create, enable, disable, run now, delete; and the one act that turns a due tick into a job.

Every worker looks for due ticks. A tick is dealt with once all the same: its row in `schedule_ticks`, the job, and the
schedule's next time are one transaction, and the key of that row lets in only one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.cron import CatchUp, check_cron, due_ticks, next_ticks
from shared.database import is_postgresql, joined
from shared.enqueue import NewJob, check_job, create_job
from shared.errors import BookbotError, Conflict, InvalidInput, NotFound
from shared.models import Job, Schedule, ScheduleTick
from shared.text import check_text


def create_schedule(
    name: str,
    *,
    cron: str,
    job_type: str,
    timezone: str = "UTC",
    book_id: str | None = None,
    props: dict[str, Any] | None = None,
    queue: str | None = None,
    priority: int = 0,
    catch_up: str = CatchUp.ONCE,
    replace: bool = False,
    session: Session | None = None,
) -> Schedule:
    """Have a job of these values enqueued at every tick of `cron` in `timezone`, from now on.

    `catch_up`: what becomes of ticks that no worker was there for, see `CatchUp`. `replace`: where there is a schedule
    of this name, it takes these values, and goes on from now. Raises InvalidInput, UnknownJobType, NotFound or
    Conflict; nothing is stored then.
    """
    if not check_text("name", name, 100).strip():
        raise InvalidInput("name", "is empty")
    check_cron(cron, timezone)
    if catch_up not in set(CatchUp):
        raise InvalidInput("catch_up", f"{str(catch_up)[:40]!r} is none of {', '.join(CatchUp)}")
    with joined(session) as target:
        check_job(NewJob(job_type, book_id=book_id, props=props or {}, queue=queue, priority=priority), target)
        schedule = target.get(Schedule, name, with_for_update=True)
        if schedule is not None and not replace:
            raise Conflict(f"there is a schedule {name!r} already")
        if schedule is None:
            schedule = Schedule(name=name)
            target.add(schedule)
        schedule.cron, schedule.timezone, schedule.catch_up = cron, timezone, CatchUp(catch_up)
        schedule.job_type, schedule.book_id, schedule.props = job_type, book_id, props or {}
        schedule.queue, schedule.priority, schedule.trouble = queue, priority, None
        schedule.next_run_at = _next(schedule, _now(target))
        target.flush()
        return schedule


def enable_schedule(name: str, *, session: Session | None = None) -> None:
    """Let it tick again, from now on: ticks that came while it was disabled are not run. Raises NotFound."""
    with joined(session) as target:
        schedule = _locked(target, name)
        if schedule.paused_at is not None:
            schedule.paused_at = None
            schedule.next_run_at = _next(schedule, _now(target))


def disable_schedule(name: str, *, session: Session | None = None) -> None:
    """Let it tick no more until it is enabled. Jobs it has made go on. Raises NotFound."""
    with joined(session) as target:
        schedule = _locked(target, name)
        schedule.paused_at = schedule.paused_at or _now(target)
        schedule.next_run_at = None


def run_schedule_now(name: str, *, session: Session | None = None) -> Job:
    """Enqueue its job now, beside its ticks, also where it is disabled. Raises NotFound or what `create_job` raises."""
    with joined(session) as target:
        schedule = _locked(target, name)
        job = create_job(**_values(schedule), session=target)
        schedule.last_enqueued_at = _now(target)
        target.flush()
        return job


def delete_schedule(name: str, *, session: Session | None = None) -> None:
    """Forget it. Jobs it has made stay. Raises NotFound."""
    with joined(session) as target:
        target.delete(_locked(target, name))
        target.execute(delete(ScheduleTick).where(ScheduleTick.name == name))


def coming_ticks(session: Session, job_types: Sequence[str]) -> list[tuple[str, float]]:
    """The enabled schedules whose job type is one of these, the next one first, and in how many seconds it ticks.

    By the database's clock; a tick that is due has 0 or less.
    """
    ours = (Schedule.paused_at.is_(None), Schedule.next_run_at.is_not(None), Schedule.job_type.in_(job_types))
    coming = select(Schedule.name, Schedule.next_run_at, db_now().label("now")).where(*ours)
    found = session.execute(coming.order_by(Schedule.next_run_at, Schedule.name))
    return [(name, (next_run_at - now).total_seconds()) for name, next_run_at, now in found if next_run_at]


def tick(session: Session, name: str) -> list[str]:
    """Enqueue what is due of this schedule; returns the ids of the jobs. Does not commit.

    Nothing is done where another worker has it in hand. Where no job can be made, because its book is gone for
    instance, the schedule says so in `trouble`, and goes on to its next tick.
    """
    is_due = (Schedule.name == name, Schedule.paused_at.is_(None), Schedule.next_run_at <= db_now())
    schedule = session.scalars(select(Schedule).where(*is_due).with_for_update(skip_locked=True)).one_or_none()
    if schedule is None or schedule.next_run_at is None:
        return []
    now = _now(session)
    ticks = due_ticks(schedule.cron, schedule.timezone, schedule.next_run_at, now, CatchUp(schedule.catch_up))
    schedule.next_run_at = _next(schedule, now)
    session.flush()
    made: list[str] = []
    for tick_at in ticks:
        try:
            with session.begin_nested():
                made += _run_tick(session, schedule, tick_at)
            schedule.trouble = None
        except BookbotError as error:
            schedule.trouble = str(error)
    if made:
        schedule.last_enqueued_at = now
    session.flush()
    return made


def _run_tick(session: Session, schedule: Schedule, tick_at: datetime) -> list[str]:
    """The job of one tick; none where the tick has been dealt with before."""
    dialect = postgresql if is_postgresql(session.connection()) else sqlite
    mark = dialect.insert(ScheduleTick).values(name=schedule.name, tick_at=tick_at)
    if session.execute(mark.on_conflict_do_nothing().returning(ScheduleTick.name)).one_or_none() is None:
        return []
    job = create_job(**_values(schedule), session=session)
    session.flush()
    of_tick = (ScheduleTick.name == schedule.name, ScheduleTick.tick_at == tick_at)
    session.execute(update(ScheduleTick).where(*of_tick).values(job_id=job.job_id))
    return [job.job_id]


def _values(schedule: Schedule) -> dict[str, Any]:
    names = ("job_type", "book_id", "props", "queue", "priority")
    return {name: getattr(schedule, name) for name in names}


def _next(schedule: Schedule, now: datetime) -> datetime | None:
    if schedule.paused_at is not None:
        return None
    return next(iter(next_ticks(schedule.cron, schedule.timezone, now)), None)


def _now(session: Session) -> datetime:
    return session.scalars(select(db_now())).one()


def _locked(session: Session, name: str) -> Schedule:
    schedule = session.get(Schedule, check_text("name", name, 100), with_for_update=True)
    if schedule is None:
        raise NotFound("schedule", name)
    return schedule
