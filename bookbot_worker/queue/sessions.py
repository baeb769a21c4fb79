"""Sessions that a dead worker has left on the server, in the middle of a transaction.

A machine that loses its power, or its network, says no farewell: the server keeps the session, and the locks of its
transaction, for as long as TCP takes to give up, which is hours by default. A job whose row is locked so could not be
rescued. A role may end its own sessions; of others' it is not shown enough to be chosen here.
"""

from collections.abc import Sequence

from sqlalchemy import Engine, text

from shared.database import asking, is_postgresql

_END = text(
    """
    SELECT application_name, pg_terminate_backend(pid)
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = ANY(:names) AND pid <> pg_backend_pid()
       AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - make_interval(secs => :seconds)
    """
)


def session_name(worker_id: str) -> str:
    """What the sessions of this worker are called on the server."""
    return f"bookbot-worker:{worker_id[-8:]}"


def end_sessions(engine: Engine, worker_ids: Sequence[str], seconds: float) -> int:
    """End what these workers have left in a transaction in which nothing has happened for so long; returns how many."""
    if not worker_ids or not is_postgresql(engine):
        return 0
    names = {"names": [session_name(worker_id) for worker_id in worker_ids], "seconds": seconds}
    with asking(engine).connect() as connection:
        return len(connection.execute(_END, names).all())
