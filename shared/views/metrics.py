"""Figures of the whole database for who watches over it: what waits, what runs, who works, what bloats.

Asked again and again, by every worker, so each question is bounded: it reads the waiting and the running jobs through
their partial indexes, and of a backlog only the first COUNTED in claim order. History is not looked at.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal_column, or_, select, text
from sqlalchemy.orm import Session, aliased

from shared.clock import db_now
from shared.database import is_postgresql
from shared.models import IS_RUNNING, Base, Job, JobDependency, Queue, Worker
from shared.states import TERMINAL, JobState

COUNTED = 20_000
"""Waiting jobs that are looked at; of a longer backlog, those that come first in claim order."""

_IS_WAITING: ColumnElement[bool] = Job.state == literal_column(f"'{JobState.WAITING}'")
"""As text, not as a parameter: a prepared plan must know it to use the partial index on waiting jobs."""

_NOTHING = {"ready": 0, "blocked": 0, "scheduled": 0, "tried_before": 0, "oldest_ready_seconds": 0.0}
_NOT_RUNNING = {"running": 0, "oldest_running_seconds": 0.0, "orphaned": 0, "oldest_orphan_seconds": 0.0}


def load_figures(session: Session) -> dict[str, Any]:
    """All of it, read at one moment:

    - `queues`: by name, `is_paused`, and of the waiting jobs `ready` (due, nothing to wait for but a slot or a lock),
      `blocked` (by other jobs), `scheduled` (for later), `tried_before` (started at least once),
      `oldest_ready_seconds`; of the running ones `running`, `oldest_running_seconds`, `orphaned` (their
      worker has no lease any more), `oldest_orphan_seconds` (since the lease was over);
    - `is_capped`: whether more than COUNTED jobs wait, so that the figures about them are too low;
    - `workers`: how many live ones are `running`, `paused`, `draining`, or `in_trouble` though they run;
    - `tables`: on PostgreSQL, by name, `live` and `dead` rows as the server estimates them;
    - `oldest_transaction_seconds`: on PostgreSQL, of the sessions this role may see; it keeps dead rows from going.
    """
    now = session.execute(select(db_now())).scalar_one()
    waiting, is_capped = _waiting(session, now)
    running = _running(session, now)
    paused = set(session.scalars(select(Queue.queue).where(Queue.paused_at.is_not(None))))
    queues = {
        name: {
            "is_paused": name in paused,
            **waiting.get(name, _NOTHING),
            **running.get(name, _NOT_RUNNING),
        }
        for name in sorted(waiting.keys() | running.keys() | paused)
    }
    return {"queues": queues, "is_capped": is_capped, "workers": _workers(session), **_server(session.connection())}


def _waiting(session: Session, now: datetime) -> tuple[dict[str, dict[str, Any]], bool]:
    first = (
        select(
            Job.queue,
            Job.attempt,
            Job.run_at,
            case((Job.run_at > Job.created_at, Job.run_at), else_=Job.created_at).label("since"),
            _is_blocked().label("is_blocked"),
        )
        .where(_IS_WAITING)
        .order_by(Job.priority.desc(), Job.run_at, Job.job_id)
        .limit(COUNTED + 1)
        .subquery()
    )
    is_due = first.c.run_at <= db_now()
    is_ready = and_(is_due, ~first.c.is_blocked)
    query = select(
        first.c.queue,
        func.count().label("count"),
        func.count().filter(is_ready).label("ready"),
        func.count().filter(first.c.is_blocked).label("blocked"),
        func.count().filter(~is_due, ~first.c.is_blocked).label("scheduled"),
        func.count().filter(first.c.attempt > 0).label("tried_before"),
        func.min(first.c.since).filter(is_ready).label("oldest"),
    ).group_by(first.c.queue)
    found: dict[str, dict[str, Any]] = {}
    total = 0
    for row in session.execute(query).mappings():
        figures = dict(row)
        total += figures.pop("count")
        figures["oldest_ready_seconds"] = _seconds(now, figures.pop("oldest"))
        found[figures.pop("queue")] = figures
    return found, total > COUNTED


def _is_blocked() -> ColumnElement[bool]:
    """Not as EXISTS: PostgreSQL would answer that for all jobs at once, by reading the whole table."""
    needed = aliased(Job)
    is_not_done = or_(
        needed.state.not_in(TERMINAL),
        and_(JobDependency.needs == "completed", needed.state != JobState.COMPLETED),
    )
    return (
        select(1)
        .where(JobDependency.job_id == Job.job_id, needed.job_id == JobDependency.depends_on_job_id, is_not_done)
        .limit(1)
        .scalar_subquery()
        .is_not(None)
    )


def _running(session: Session, now: datetime) -> dict[str, dict[str, Any]]:
    is_orphan = or_(Worker.lease_until.is_(None), Worker.lease_until <= db_now())
    query = (
        select(
            Job.queue,
            func.count().label("running"),
            func.min(Job.started_at).label("oldest"),
            func.count().filter(is_orphan).label("orphaned"),
            func.min(func.coalesce(Worker.lease_until, Job.started_at)).filter(is_orphan).label("oldest_orphan"),
        )
        .outerjoin_from(Job, Worker, Worker.worker_id == Job.worker_id)
        .where(IS_RUNNING)
        .group_by(Job.queue)
    )
    return {
        row["queue"]: {
            "running": row["running"],
            "oldest_running_seconds": _seconds(now, row["oldest"]),
            "orphaned": row["orphaned"],
            "oldest_orphan_seconds": _seconds(now, row["oldest_orphan"]),
        }
        for row in session.execute(query).mappings()
    }


def _workers(session: Session) -> dict[str, int]:
    query = (
        select(Worker.state, Worker.trouble.is_not(None), func.count())
        .where(Worker.lease_until > db_now(), Worker.state != "stopped")
        .group_by(Worker.state, Worker.trouble.is_not(None))
    )
    found = dict.fromkeys(("running", "paused", "draining", "in_trouble"), 0)
    for state, has_trouble, count in session.execute(query):
        name = "in_trouble" if has_trouble and state == "running" else state
        found[name] = found.get(name, 0) + count
    return found


def _server(connection: Connection) -> dict[str, Any]:
    if not is_postgresql(connection):
        return {"tables": {}, "oldest_transaction_seconds": None}
    names = list(Base.metadata.tables)
    tables = connection.execute(
        text(
            "SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables "
            "WHERE relid IN (SELECT to_regclass(name) FROM unnest(CAST(:names AS text[])) AS name)"
        ),
        {"names": names},
    )
    oldest = connection.scalar(
        text(
            "SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    return {
        "tables": {name: {"live": live, "dead": dead} for name, live, dead in tables},
        "oldest_transaction_seconds": max(float(oldest), 0.0) if oldest is not None else 0.0,
    }


def _seconds(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)
