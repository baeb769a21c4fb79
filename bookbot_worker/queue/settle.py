"""Settle: the one final transaction of an attempt. After it, everything about the job is visible, or nothing.

The order is fixed: the job's row first (every other order deadlocks with rescue), fenced by `claim_id`; then the
job's own writes; its last log lines; its locks; the jobs that waited for it. An attempt whose claim is gone
settles nothing: a late worker can never overwrite a newer run.

Attempts that wrote nothing are settled in groups, one transaction for all; each is fenced on its own.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql, sqlite

from bookbot_worker.failpoints import reach
from bookbot_worker.outcomes import Cancelled, Errored, Failed, LostClaim, Postponed
from bookbot_worker.queue.final_state import is_one_statement, write_states
from bookbot_worker.queue.locks import release_locks
from bookbot_worker.queue.settlement import Settlement
from bookbot_worker.telemetry.log_writer import insert_lines
from bookbot_worker.unit_of_work import UnitOfWork
from shared.database import asking, is_postgresql
from shared.dependents import cancel_dependents
from shared.models import JobDependency


def settle_together(engine: Engine, settlements: Sequence[Settlement]) -> set[str]:
    """Settle attempts that have no writes of their own, in one transaction; returns the job ids settled.

    Those not returned had lost their claim. Raises what the database raises; nothing is settled then.
    """
    if is_postgresql(engine) and is_one_statement(settlements) and not any(map(_has_more, settlements)):
        return _settle_by_one_statement(engine, settlements)
    with engine.begin() as connection:
        settled = _write(connection, settlements)
        reach("settle.commit_sent")
    reach("settle.acked")
    return settled


def _has_more(settlement: Settlement) -> bool:
    """Whether more than the job's own row has to be written."""
    return bool(settlement.lines or settlement.holder.lock_scope)


def _settle_by_one_statement(engine: Engine, settlements: Sequence[Settlement]) -> set[str]:
    """It commits itself: no BEGIN, no COMMIT, one answer to wait for. What are steps of a transaction are one here."""
    for step in ("begin", "state", "logs", "locks", "commit_sent"):
        reach(f"settle.{step}")
    with asking(engine).connect() as connection:
        settled = write_states(connection, settlements, is_with_writes=False)
    reach("settle.acked")
    return settled


def settle_alone(unit: UnitOfWork, settlement: Settlement) -> None:
    """Settle one attempt together with everything its session holds.

    Raises LostClaim, also where it would go back to waiting but was cancelled, or what the job's own writes make
    the database raise; the caller discards the unit then.
    """
    with unit.rule.permitted():
        connection = unit.writable_connection()
        if not _write(connection, [settlement], flush=unit.flush):
            raise LostClaim(settlement.job_id)
        reach("settle.commit_sent")
        unit.session.commit()
    reach("settle.acked")


def _write(
    connection: Connection, settlements: Sequence[Settlement], flush: Callable[[], None] | None = None
) -> set[str]:
    reach("settle.begin")
    settled = write_states(connection, settlements, is_with_writes=flush is not None)
    reach("settle.state")
    if not settled:
        return settled
    ours = [settlement for settlement in settlements if settlement.job_id in settled]
    if flush is not None:
        flush()
        reach("settle.flushed")
    insert_lines(connection, [line for settlement in ours for line in settlement.lines])
    reach("settle.logs")
    release_locks(connection, [settlement.holder for settlement in ours if settlement.holder.lock_scope])
    reach("settle.locks")
    _await_others(connection, ours)
    ended_badly = [item.job_id for item in ours if isinstance(item.outcome, Failed | Errored | Cancelled)]
    if ended_badly:
        cancel_dependents(connection, ended_badly)
    return settled


def _await_others(connection: Connection, settlements: Sequence[Settlement]) -> None:
    dialect = postgresql if is_postgresql(connection) else sqlite
    for settlement in settlements:
        if isinstance(settlement.outcome, Postponed) and settlement.outcome.awaits:
            rows = [
                {"job_id": settlement.job_id, "depends_on_job_id": other, "needs": "finished"}
                for other in settlement.outcome.awaits
            ]
            connection.execute(dialect.insert(JobDependency).on_conflict_do_nothing(), rows)
