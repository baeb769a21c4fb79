"""Worker processes and what they run: who lives, who has stopped, of whom nothing was heard any more."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from shared.clock import db_now, db_now_plus
from shared.models import Job, Worker
from shared.states import JobState

RECENT_SECONDS = 3600
"""A worker that has ended is listed for so long after its last beat."""

_COLUMNS = (
    Worker.worker_id,
    Worker.name,
    Worker.hostname,
    Worker.pid,
    Worker.version,
    Worker.state,
    Worker.queues,
    Worker.job_types,
    Worker.concurrency,
    Worker.started_at,
    Worker.heartbeat_at,
    Worker.lease_until,
    Worker.trouble,
    Worker.requested_state,
)
_JOB_COLUMNS = (Job.job_id, Job.job_type, Job.book_id, Job.started_at, Job.progress, Job.progress_message)


def list_workers(session: Session, include_ended: bool = False) -> list[dict[str, Any]]:
    """The workers, live ones first, then newest first: a worker's columns but `process`, and

    - `seconds_since_beat`: how long ago it said that it lives, by the database's clock, to a tenth of a second;
    - `jobs`: what it runs now, the longest first: [{`job_id`, `job_type`, `book_id`, `started_at`, `progress`,
      `progress_message`}].

    `state` is "running", "draining", "paused" or "stopped" as the worker said, but "lost" where it has not said that it
    stopped and its lease is over. Those that are stopped or lost, hold no job and were silent for an hour are left out
    unless `include_ended`.
    """
    is_live = _is_live().label("is_live")
    query = select(*_COLUMNS, is_live, db_now().label("now"))
    query = query.order_by(is_live.desc(), Worker.started_at.desc(), Worker.worker_id.desc())
    running = select(Job.worker_id, *_JOB_COLUMNS).where(Job.state == JobState.RUNNING)
    if not include_ended:
        holds_jobs = Worker.worker_id.in_(select(Job.worker_id).where(Job.state == JobState.RUNNING))
        query = query.where(or_(_is_live(), Worker.heartbeat_at > db_now_plus(-RECENT_SECONDS), holds_jobs))
    found = {row["worker_id"]: _shown(dict(row)) for row in session.execute(query).mappings()}
    for row in session.execute(running.order_by(Job.started_at, Job.job_id)).mappings():
        job = dict(row)
        if worker := found.get(job.pop("worker_id")):
            worker["jobs"].append(job)
    return list(found.values())


def _is_live() -> ColumnElement[bool]:
    """Whether the worker has not stopped and has a lease; never NULL, which the databases sort differently."""
    has_lease = and_(Worker.lease_until.is_not(None), Worker.lease_until > db_now())
    return and_(Worker.state != "stopped", has_lease)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    is_live, now = row.pop("is_live"), row.pop("now")
    silent = (now - row["heartbeat_at"]).total_seconds()
    return row | {
        "state": row["state"] if is_live or row["state"] == "stopped" else "lost",
        "seconds_since_beat": round(max(0.0, silent), 1),  # below 0 where the database's clock was set back
        "jobs": [],
    }
