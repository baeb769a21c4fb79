"""The fenced update of job rows: which columns an outcome writes, and only while the claim still holds."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Float,
    Integer,
    Select,
    Update,
    any_,
    bindparam,
    case,
    func,
    null,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.elements import ColumnElement

from bookbot_worker.outcomes import Cancelled, Completed, Errored, Failed, Postponed
from bookbot_worker.queue.settlement import Settlement
from shared.clock import db_now, db_now_plus
from shared.database import is_postgresql
from shared.ids import is_one_of, lean
from shared.models import JOBS
from shared.states import JobState


def write_states(connection: Connection, settlements: Sequence[Settlement], *, is_with_writes: bool) -> set[str]:
    """The fenced update of every job's row; returns the ids of those whose claim still held.

    A job that goes back to waiting and keeps what it wrote also must not have been cancelled: nothing that a
    cancelled job has started may live.
    """
    settled: set[str] = set()
    dialect, are_alike = connection.dialect.name, is_one_statement(settlements)
    if is_postgresql(connection) and not are_alike:
        _lock(connection, settlements)
    for log_count, plain in _by_log_count(settlements).items():
        fences = {"job_ids": [item.job_id for item in plain], "claims": [item.claim_id for item in plain]}
        has_lines = log_count is not None
        statement = _plain_update(dialect, has_lines, locks=are_alike and len(plain) > 1)
        settled.update(connection.scalars(statement, fences | ({"count": log_count} if has_lines else {})))
    for settlement in sorted(settlements, key=lambda item: item.job_id):
        if settlement.is_plain:
            continue
        values = _values(settlement)
        fence = {"job": settlement.job_id, "claim": settlement.claim_id}
        one = _one_update(settlement.kind, tuple(values), is_with_writes)  # type: ignore[arg-type] # a class
        if connection.execute(one, {f"new_{name}": value for name, value in values.items()} | fence).rowcount:
            settled.add(settlement.job_id)
    return settled


def is_one_statement(settlements: Sequence[Settlement]) -> bool:
    """Whether their rows are updated by a single statement."""
    return all(item.is_plain and item.log_count == settlements[0].log_count for item in settlements)


def _by_log_count(settlements: Sequence[Settlement]) -> dict[int | None, list[Settlement]]:
    """The plain completions, those with the same number of lines together: they share one statement."""
    alike: dict[int | None, list[Settlement]] = {}
    for settlement in settlements:
        if settlement.is_plain:
            alike.setdefault(settlement.log_count, []).append(settlement)
    return alike


def _lock(connection: Connection, settlements: Sequence[Settlement]) -> None:
    """Lock the rows by job_id, as whoever cancels a family of jobs does: updates in any other order could deadlock.

    Where one ends otherwise than completed, also against new jobs that would depend on it: their foreign keys take a
    share of its key. So they are either seen by `cancel_dependents`, or see the end themselves.
    """
    is_loss = any(isinstance(item.outcome, Failed | Errored | Cancelled) for item in settlements)
    if len(settlements) > 1 or is_loss:
        connection.execute(_rows_in_order(is_loss), {"job_ids": [item.job_id for item in settlements]})


@lru_cache(maxsize=2)
def _rows_in_order(is_loss: bool) -> Select[int]:
    listed = is_one_of(JOBS.c.job_id, "job_ids", "postgresql")
    rows = select(JOBS.c.job_id).where(listed).order_by(JOBS.c.job_id).with_for_update(key_share=not is_loss)
    return select(func.count()).select_from(rows.subquery())  # that many ids would take longer to read than to lock


@lru_cache(maxsize=8)
def _plain_update(dialect: str, has_lines: bool, *, locks: bool) -> ReturningUpdate[str]:
    """Complete many jobs. A claim_id belongs to one claim of one job, so the two lists cannot match across jobs.

    `locks`: on PostgreSQL it locks them first, in order, as `_lock` does.
    """
    listed = is_one_of(JOBS.c.job_id, "job_ids", dialect)
    if locks and dialect == "postgresql":
        rows = select(JOBS.c.job_id).where(listed).order_by(JOBS.c.job_id).with_for_update(key_share=True)
        locked = rows.cte("locked").prefix_with("MATERIALIZED", dialect="postgresql")
        listed = JOBS.c.job_id == any_(func.array(select(locked.c.job_id).scalar_subquery()))
    return (
        update(JOBS)
        .where(
            listed,
            is_one_of(JOBS.c.claim_id, "claims", dialect),
            JOBS.c.state == JobState.RUNNING,
        )
        .values(_new_state(Completed) | ({"log_count": bindparam("count", type_=Integer)} if has_lines else {}))
        .returning(lean(JOBS.c.job_id, dialect))
    )


@lru_cache(maxsize=128)
def _one_update(kind: type[Any], names: tuple[str, ...], is_with_writes: bool) -> Update:
    """Settle one job: its new state, and the columns called `names` from parameters (`new_…`)."""
    is_uncancelled = JOBS.c.cancel_requested_at.is_(None) if is_with_writes and kind is Postponed else true()
    given = {name: bindparam(f"new_{name}", type_=JOBS.c[name].type) for name in names if name in JOBS.c}
    return (
        update(JOBS)
        .where(
            JOBS.c.job_id == bindparam("job"),
            JOBS.c.claim_id == bindparam("claim"),
            JOBS.c.state == JobState.RUNNING,
            is_uncancelled,
        )
        .values(_new_state(kind) | given)
    )


def _values(settlement: Settlement) -> dict[str, Any]:
    """What is written about this attempt besides its new state."""
    values: dict[str, Any] = {}
    if settlement.progress is not None:
        values["progress"], values["progress_message"] = settlement.progress
    match settlement.outcome:
        case Completed():
            values["progress"] = 1.0
        case Failed(message):
            values["error_message"] = message
        case Errored(message, trace):
            values |= {"error_message": message, "error_trace": trace}
        case Postponed() as postponed:
            values |= {
                "progress_message": postponed.reason,
                "after": postponed.after.total_seconds(),
                "returned": int(postponed.returns_attempt),
                "interrupted": int(postponed.is_interruption),
            }
    if settlement.log_count is not None:
        values["log_count"] = settlement.log_count
    if settlement.result is not None:
        values["result"] = settlement.result
    return values


def _new_state(kind: type[Any]) -> dict[str, Any]:
    """The columns that follow from the kind of outcome alone."""
    if kind is Postponed:
        return _back_to_waiting()
    states: dict[type[Any], JobState] = {
        Completed: JobState.COMPLETED,
        Failed: JobState.FAILED,
        Errored: JobState.ERROR,
        Cancelled: JobState.CANCELLED,
    }
    ended = {"state": states[kind], "completed_at": db_now(), "worker_id": None, "deadline_at": None}
    return ended | ({"progress": 1.0, "error_message": None} if kind is Completed else {})


def _back_to_waiting() -> dict[str, Any]:
    """Waiting again, unless it was asked to stop meanwhile: a cancelled job is never run again."""
    asked_to_stop = JOBS.c.cancel_requested_at.is_not(None)
    stopped: ColumnElement[Any] = case((asked_to_stop, db_now()), else_=null())
    return {
        "state": case((asked_to_stop, JobState.CANCELLED), else_=JobState.WAITING),
        "completed_at": stopped,
        "worker_id": None,
        "claim_id": None,
        "deadline_at": None,
        "started_at": None,
        "run_at": db_now_plus(bindparam("new_after", type_=Float)),
        "attempt": JOBS.c.attempt - bindparam("new_returned", type_=Integer),
        "interruptions": JOBS.c.interruptions + bindparam("new_interrupted", type_=Integer),
        "max_attempts": JOBS.c.max_attempts + bindparam("new_interrupted", type_=Integer),
    }
