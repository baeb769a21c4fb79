"""This worker's row in `workers`: written with every beat, closed when the worker ends.

A beat writes the whole row, so that a worker whose row was lost (a failover to a standby that had not heard of it)
is known again one beat later. Its answer carries all that the worker must hear: what it runs in the eyes of the
database, who was cancelled, and how old a worker may be. On PostgreSQL that is one statement and one round trip.
"""

import os
import socket
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, delete, func, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from bookbot_worker.failpoints import reach
from bookbot_worker.process_identity import identity
from bookbot_worker.queue.requests import anything_asked
from shared.clock import db_now, db_now_plus
from shared.database import asking, is_postgresql
from shared.models import IS_RUNNING, Job, SchemaInfo, Worker
from shared.settings import Settings
from shared.version import __version__

FORGET_AFTER = 24 * 3600.0
"""Seconds that rows of ended workers are kept to be looked at."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to one beat. `claims`: claim_id → job_id of the jobs that run here, as the database sees it.

    `cancelled`: those of them that somebody wants stopped. `has_requests`: somebody asked for a cancel or a retry.
    `server_seconds`: how long the server has been up, None on SQLite. `oldest_worker`: the schema revision that workers
    need at least. `requested_state`: what somebody asks this one to be. `others_may_be_dead`: another worker runs jobs,
    or has fallen silent; whether it lives is for the rescuer to find out.
    """

    claims: dict[str, str] = field(default_factory=dict)
    cancelled: frozenset[str] = frozenset()
    server_seconds: float | None = None
    oldest_worker: str | None = None
    has_requests: bool = False
    requested_state: str | None = None
    others_may_be_dead: bool = True


def describe_worker(worker_id: str, settings: Settings, job_types: tuple[str, ...]) -> dict[str, Any]:
    """The columns of this process's row that never change. A restart is a new row, with another id."""
    return {
        "worker_id": worker_id,
        "name": settings.worker_name,
        "hostname": socket.gethostname(),
        "pid": os.getpid(),
        "process": identity(os.getpid()),
        "version": __version__,
        "queues": list(settings.queues),
        "job_types": list(job_types),
        "concurrency": settings.concurrency,
    }


def beat(engine: Engine, worker: dict[str, Any], lease_seconds: float, state: str, trouble: str | None) -> Beat:
    """Say that this worker lives, for `lease_seconds` from now by the database's clock, and hear what concerns it."""
    dialect = postgresql if is_postgresql(engine) else sqlite
    news = {
        "state": state,
        "trouble": trouble,
        "heartbeat_at": db_now(),
        "lease_until": db_now_plus(lease_seconds),
    }
    written = dialect.insert(Worker).values(**worker, **news)
    written = written.on_conflict_do_update(index_elements=[Worker.worker_id], set_=news)
    reach("beat.sent")
    with engine.begin() as connection:
        answer = _answer(worker["worker_id"], connection)
        if is_postgresql(connection):
            answer = answer.add_cte(written.returning(Worker.worker_id).cte("written"))
        else:
            connection.execute(written)
        rows = connection.execute(answer).all()
    return Beat(
        claims={row.claim_id: row.job_id for row in rows if row.claim_id is not None},
        cancelled=frozenset(row.claim_id for row in rows if row.claim_id is not None and row.is_cancelled),
        server_seconds=rows[0].server_seconds if rows else None,
        oldest_worker=rows[0].oldest_worker if rows else None,
        has_requests=bool(rows and rows[0].has_requests),
        requested_state=rows[0].requested_state if rows else None,
        others_may_be_dead=bool(not rows or rows[0].others_may_be_dead),
    )


def _answer(worker_id: str, connection: Connection) -> Select[Any, Any, Any, Any, Any, Any]:
    """One row at least: what concerns every worker, and beside it this worker's running jobs."""
    up: ColumnElement[Any] = null()
    if is_postgresql(connection):
        up = func.extract("epoch", db_now() - func.pg_postmaster_start_time())
    requested = select(Worker.requested_state).where(Worker.worker_id == worker_id).scalar_subquery()
    return select(
        SchemaInfo.oldest_worker,
        requested.label("requested_state"),
        up.label("server_seconds"),
        anything_asked().label("has_requests"),
        _others_may_be_dead(worker_id).label("others_may_be_dead"),
        Job.claim_id,
        Job.job_id,
        Job.cancel_requested_at.is_not(None).label("is_cancelled"),
    ).outerjoin(Job, and_(Job.worker_id == worker_id, IS_RUNNING))


def _others_may_be_dead(worker_id: str) -> ColumnElement[bool]:
    runs = select(1).where(IS_RUNNING, Job.worker_id != worker_id).correlate(None).exists()
    other = aliased(Worker)
    return or_(runs, select(1).where(other.worker_id != worker_id, _is_silent(other)).exists())


def _is_silent(worker: type[Worker]) -> ColumnElement[bool]:
    """Its lease is over, and it has not stopped."""
    return and_(worker.state != "stopped", worker.lease_until < db_now())


def close_worker(engine: Engine, worker_id: str) -> None:
    """Say that this process works no more: whatever it still holds may be rescued at once."""
    ended = {"state": "stopped", "lease_until": db_now(), "trouble": None}
    with engine.begin() as connection:
        connection.execute(update(Worker).where(Worker.worker_id == worker_id).values(**ended))


def silent_workers(engine: Engine) -> list[str]:
    """The ids of those whose lease is over though they have not stopped, whether they hold jobs or not."""
    query = select(Worker.worker_id).where(_is_silent(Worker))
    with asking(engine).connect() as connection:
        return list(connection.scalars(query))


def forget_ended_workers(engine: Engine) -> None:
    """Delete the rows of workers that ended long ago and hold nothing."""
    holds = select(1).where(Job.worker_id == Worker.worker_id, IS_RUNNING).exists()
    long_ago = func.coalesce(Worker.lease_until, Worker.heartbeat_at) < db_now_plus(-FORGET_AFTER)
    with engine.begin() as connection:
        connection.execute(delete(Worker).where(long_ago, ~holds))
