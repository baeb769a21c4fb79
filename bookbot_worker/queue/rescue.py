"""Rescue: the jobs of workers that are dead go back to waiting, or end where they were the cause.

Runs in every worker, without a leader. Rows are locked in job_id order and those in another's hands skipped: a row that
is being settled is not an orphan. After the lock the worker's lease is read once more, because a beat may have come
since; every change asks for the claim that was seen (river #1302: a rescuer without a fence undid a completion).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select, update

from bookbot_worker.failpoints import reach
from bookbot_worker.orphans import Fate, Holder, Sign, fate
from bookbot_worker.queue.locks import Candidate, release_locks
from bookbot_worker.telemetry.joblog import LogLine
from bookbot_worker.telemetry.log_writer import insert_lines
from shared.clock import db_now
from shared.database import announce_jobs, asking
from shared.dependents import cancel_dependents
from shared.models import IS_RUNNING, JOBS, Job, JobLog, LlmCall, Worker
from shared.states import JobState

BATCH = 200


@dataclass(frozen=True, slots=True)
class Dead:
    """A worker that is given up, the sign it was known by, and its obituary."""

    holder: Holder
    sign: Sign
    words: str


@dataclass(frozen=True, slots=True)
class Rescued:
    """What a rescue did with one job."""

    job_id: str
    worker_id: str
    fate: Fate


def holders(engine: Engine, but_not: str) -> list[Holder]:
    """Every worker, but this one, that has running jobs, also those without a row."""
    held = select(Job.worker_id).where(IS_RUNNING, Job.worker_id != but_not).distinct().subquery()
    has_lease = func.coalesce(Worker.lease_until > db_now(), False)
    query = select(
        held.c.worker_id, Worker.name, Worker.hostname, Worker.pid, Worker.process, Worker.state, has_lease
    ).outerjoin_from(held, Worker, Worker.worker_id == held.c.worker_id)
    with asking(engine).connect() as connection:
        return [Holder(*row) for row in connection.execute(query)]


def rescue(engine: Engine, dead: Sequence[Dead]) -> list[Rescued]:
    """Take up to BATCH running jobs from workers that are dead; call again while it returns some."""
    by_id = {one.holder.worker_id: one for one in dead}
    with engine.begin() as connection:
        orphans = _lock_jobs(connection, Job.worker_id.in_(by_id))
        reach("rescue.locked")
        silent = {name for name, one in by_id.items() if one.sign is Sign.SILENT}
        alive = _with_a_lease(connection, silent)
        rescued = {
            row: _rescue_one(connection, row, by_id[row.worker_id]) for row in orphans if row.worker_id not in alive
        }
        _let_go(connection, rescued)
        _close(connection, [name for name, one in by_id.items() if one.sign is Sign.GONE])
        return list(rescued.values())


def give_back_unknown(engine: Engine, claims: Mapping[str, str]) -> int:
    """Put jobs back that run under this worker's name, but not in it: the answer to their claim was lost.

    `claims` is claim_id → job_id. They have not been started, so the attempt does not count; nor does it where a
    failover has lost their end, and only lines that were stored meanwhile tell of their run.
    """
    with engine.begin() as connection:
        rows = _lock_jobs(connection, Job.job_id.in_(claims.values()), Job.claim_id.in_(claims))
        values = _waiting_again("its claim was in doubt") | {"attempt": JOBS.c.attempt - 1}
        returned = [row for row in rows if _change(connection, row, values | {"log_count": _last_seq(connection, row)})]
        release_locks(connection, [_locks_of(row) for row in returned])
        if returned:
            announce_jobs(connection)
        return len(returned)


def _lock_jobs(connection: Connection, *which: Any) -> Sequence[Row[Any]]:
    query = (
        select(*(JOBS.c[name] for name in _NEEDED))
        .where(IS_RUNNING, *which)
        .order_by(Job.job_id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(query).all()


_NEEDED = ("job_id", "claim_id", "worker_id", "lock_scope", "book_id", "chunk_id", "attempt", "losses", "log_count",
           "cancel_requested_at")  # fmt: skip


def _with_a_lease(connection: Connection, worker_ids: set[str]) -> set[str]:
    """Those that have beaten since they were looked at, read after the locks were granted."""
    if not worker_ids:
        return set()
    alive = select(Worker.worker_id).where(Worker.worker_id.in_(worker_ids), Worker.lease_until > db_now())
    return set(connection.scalars(alive))


def _rescue_one(connection: Connection, row: Row[Any], dead: Dead) -> Rescued:
    made_progress = connection.scalar(
        select(1).where(LlmCall.job_id == row.job_id, LlmCall.attempt == row.attempt, LlmCall.status == "done").limit(1)
    )
    chosen, losses = fate(
        row.losses, made_progress=bool(made_progress), is_cancelled=row.cancel_requested_at is not None
    )
    line, values = _words_and_values(chosen, losses, dead.words)
    seq = _write_line(connection, row, line)
    _change(connection, row, values | {"log_count": seq})
    return Rescued(row.job_id, row.worker_id, chosen)


def _words_and_values(chosen: Fate, losses: int, words: str) -> tuple[str, dict[str, Any]]:
    ended = {"completed_at": db_now(), "worker_id": None, "deadline_at": None}
    match chosen:
        case Fate.CANCEL:
            return f"{words}; the job was cancelled", ended | {"state": JobState.CANCELLED}
        case Fate.GIVE_UP:
            message = f"worker lost {losses} times without progress: {words}"
            return message, ended | {"state": JobState.ERROR, "error_message": message, "losses": losses}
        case Fate.RUN_AGAIN:
            # A lost run is none of the job's own attempts.
            again = {"losses": losses, "max_attempts": JOBS.c.max_attempts + 1}
            return f"{words}; the job runs again", _waiting_again("its worker was lost") | again


def _waiting_again(why: str) -> dict[str, Any]:
    return {
        "state": JobState.WAITING,
        "worker_id": None,
        "claim_id": None,
        "started_at": None,
        "deadline_at": None,
        "run_at": db_now(),
        "progress": 0,
        "progress_message": why,
    }


def _write_line(connection: Connection, row: Row[Any], message: str) -> int:
    """Add the run's last line, after those that were stored while it ran; returns its number."""
    seq = _last_seq(connection, row) + 1
    now = connection.scalar(select(db_now()))
    assert now is not None  # noqa: S101 - a clock has always an answer
    insert_lines(connection, [LogLine(row.job_id, row.claim_id, row.attempt, seq, "WARNING", message, None, now)])
    return seq


def _last_seq(connection: Connection, row: Row[Any]) -> int:
    """The number of the job's last line that is stored; its row knows those of ended runs only."""
    of_claim = select(func.max(JobLog.seq)).where(JobLog.job_id == row.job_id, JobLog.claim_id == row.claim_id)
    seq: int = max(connection.scalar(of_claim) or 0, row.log_count)
    return seq


def _change(connection: Connection, row: Row[Any], values: dict[str, Any]) -> bool:
    """Write `values`, if the job still runs under the claim that was seen."""
    fenced = update(JOBS).where(
        JOBS.c.job_id == row.job_id, JOBS.c.claim_id == row.claim_id, JOBS.c.state == JobState.RUNNING
    )
    return bool(connection.execute(fenced.values(**values)).rowcount)


def _let_go(connection: Connection, rescued: Mapping[Row[Any], Rescued]) -> None:
    """Free what the jobs held, in the same transaction, and call off what waited in vain for them."""
    if not rescued:
        return
    release_locks(connection, [_locks_of(row) for row in rescued])
    if lost := [one.job_id for one in rescued.values() if one.fate is not Fate.RUN_AGAIN]:
        cancel_dependents(connection, lost)
    announce_jobs(connection)


def _close(connection: Connection, worker_ids: Sequence[str]) -> None:
    """Whoever looks at the workers need not wait for the lease of a process that is gone."""
    if worker_ids:
        connection.execute(update(Worker).where(Worker.worker_id.in_(worker_ids)).values(lease_until=db_now()))


def _locks_of(row: Row[Any]) -> Candidate:
    return Candidate(row.job_id, row.lock_scope, row.book_id, row.chunk_id)
