"""Whether work gets done: clocks, workers, queues, stuck jobs, schedules."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bookbot_worker.cli.checks import Finding, fail, ok, warn
from shared.clock import db_now, db_now_plus
from shared.models import IS_RUNNING, Job, Worker
from shared.states import JobState
from shared.version import __version__
from shared.views import list_queues, list_schedules

SKEW = timedelta(seconds=5)
OVERDUE = 60.0
"""Seconds a worker may take to notice that a job is past its time limit, and to end it."""

LONG = timedelta(minutes=10)
"""A job that is due for so long, in a queue that is open, has been waiting long."""


def check_clock(session: Session) -> Finding:
    """How far this machine's clock is from the database's. Decisions use the database's alone."""
    before = datetime.now(UTC)
    there = session.scalars(select(db_now())).one()
    apart = there - before - (datetime.now(UTC) - before) / 2
    seconds = abs(apart.total_seconds())
    if abs(apart) > SKEW:
        return warn(
            "clock", f"this machine and the database are {seconds:.0f} s apart",
            "have both set their clocks by NTP: times in process logs cannot be compared with those of jobs",
        )  # fmt: skip
    return ok("clock", f"within {seconds:.1f} s of the database's")


def check_workers(session: Session) -> Finding:
    """Whether somebody works, and says that it can."""
    columns = (Worker.name, Worker.state, Worker.trouble, Worker.version)
    live = session.execute(select(*columns).where(Worker.state != "stopped", Worker.lease_until > db_now())).all()
    able = [worker for worker in live if worker.state == "running" and not worker.trouble]
    if not live:
        waiting = session.scalar(select(Job.job_id).where(Job.state == JobState.WAITING).limit(1))
        start = "start one: bookbot-worker run"
        return fail("workers", "none runs, and jobs wait", start) if waiting else warn("workers", "none runs", start)
    if not able:
        reasons = "; ".join(sorted({f"{one.name}: {one.trouble or one.state}" for one in live}))
        return fail("workers", f"none can work ({reasons})", "bookbot-worker workers resume NAME, or see their logs")
    if other := sorted({one.version for one in live} - {__version__}):
        return warn("workers", f"some have version {', '.join(other)}, this is {__version__}", "restart the older ones")
    return ok(
        "workers", f"{len(able)} can work" + (f", {len(live) - len(able)} cannot" if len(live) > len(able) else "")
    )


def check_queues(session: Session) -> Iterator[Finding]:
    """Whether what waits is in a queue that somebody serves, and of a type that somebody knows."""
    now, waiting = session.scalars(select(db_now())).one(), 0
    for row in list_queues(session):
        waiting += row["due"]
        name = row["queue"]
        if row["due"] and row["paused_at"] is not None:
            yield warn(
                "queues", f"{name!r} is paused since {row['paused_at']:%Y-%m-%d %H:%M}Z, {row['due']} jobs are due",
                f"bookbot-worker queues resume {name}",
            )  # fmt: skip
        elif row["due"] and not row["workers"]:
            yield fail(
                "queues", f"no live worker serves {name!r}, {row['due']} jobs are due",
                f"start one: bookbot-worker run --queue {name}",
            )  # fmt: skip
        elif row["oldest_due_at"] is not None and now - row["oldest_due_at"] > LONG:
            minutes = (now - row["oldest_due_at"]).total_seconds() // 60
            yield warn(
                "queues", f"in {name!r} a job is due for {minutes:.0f} minutes",
                f"ask why: bookbot-worker jobs list --state waiting --queue {name}, then jobs why",
            )  # fmt: skip
    yield from _unknown_types(session)
    yield ok("queues", f"{waiting} jobs are due")


def _unknown_types(session: Session) -> Iterator[Finding]:
    live = select(Worker.job_types).where(Worker.state == "running", Worker.lease_until > db_now())
    lists = session.scalars(live).all()
    known = {name for names in lists for name in names}
    first = select(Job.job_type).where(Job.state == JobState.WAITING, Job.run_at <= db_now()).limit(10_000).subquery()
    for name in sorted(set(session.scalars(select(first.c.job_type).distinct())) - known if lists else ()):
        yield fail(
            "job types", f"jobs of type {name!r} are due, and no live worker knows it",
            "start a worker whose BOOKBOT_JOBS has it, or cancel them: bookbot-worker jobs cancel --type " + name,
        )  # fmt: skip


def check_stuck_jobs(session: Session) -> Finding:
    """Running jobs of workers that are dead, and those that are past their time limit."""
    held = select(Job.job_id).outerjoin(Worker, Worker.worker_id == Job.worker_id)
    is_lost = or_(Worker.worker_id.is_(None), Worker.lease_until.is_(None), Worker.lease_until < db_now())
    lost = session.scalars(held.where(IS_RUNNING, is_lost).order_by(Job.job_id).limit(100)).all()
    if lost:
        return fail(
            "stuck jobs", f"{len(lost)} run on workers that are dead, such as {lost[0]}",
            "start a worker: within seconds it takes them back. If one runs, see its log for job.rescued",
        )  # fmt: skip
    overdue = select(Job.job_id).where(IS_RUNNING, Job.deadline_at < db_now_plus(-OVERDUE))
    late = session.scalars(overdue.order_by(Job.job_id).limit(100)).all()
    if late:
        return warn(
            "stuck jobs", f"{len(late)} run beyond their time limit, such as {late[0]}",
            "their worker ends them within its grace; if not, restart it",
        )  # fmt: skip
    running = session.scalar(select(func.count()).where(IS_RUNNING))
    return ok("stuck jobs", f"none of {running} running")


def check_schedules(session: Session) -> Iterator[Finding]:
    """Whether ticks are come for, and make jobs."""
    rows = list_schedules(session)
    for row in rows:
        name = row["name"]
        if row["is_overdue"]:
            yield fail(
                "schedules", f"{name!r} was due at {row['next_run_at']:%Y-%m-%d %H:%M}Z and nobody came",
                f"start a worker that knows the job type {row['job_type']!r}",
            )  # fmt: skip
        elif row["trouble"]:
            yield warn(
                "schedules", f"{name!r} made no job at its last tick: {row['trouble']}",
                f"correct it: bookbot-worker schedules create {name} --replace, or schedules delete {name}",
            )  # fmt: skip
    yield ok("schedules", f"{sum(row['paused_at'] is None for row in rows)} are enabled")
