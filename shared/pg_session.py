"""What a new session of PostgreSQL is told first: how it plans, and that it is prepared for a pooler.

A session of our own keeps what it is told. Behind a pooler in transaction mode each transaction may be carried out in
another session, which belongs to nobody: there nothing is set for longer than a transaction, and nothing is prepared.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from shared.io_deadline import BoundedConnection

COMPILES_NOTHING = {"jit": "off"}
"""What PostgreSQL expects to be dear it compiles, at every execution: 76 ms for a claim beside a million finished jobs,
which itself takes 1 ms."""

PLANS_ONCE = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""For a session that runs the same few statements for days. To plan a claim takes 1.4 ms, to carry it out 0.13; left to
itself the server plans it anew for every number of free slots. Of a table that was small when the plan was made it
would read all, until the next ANALYZE: so indexes are used from the beginning."""


def told(also: Mapping[str, str]) -> Callable[[BoundedConnection, Any], None]:
    """SQLAlchemy's event connect: recognises a pooler; a session of our own is told COMPILES_NOTHING, and `also`."""
    settings = COMPILES_NOTHING | dict(also)
    names = " ".join(f"SET {name} = {value};" for name, value in settings.items())

    def tell(connection: BoundedConnection, _record: Any) -> None:
        was_autocommit, connection.autocommit = connection.autocommit, True
        if _is_served_by_another(connection):
            connection.is_pooled = True
            connection.prepare_threshold = None
        else:
            connection.execute(names.encode(), prepare=False)
        connection.autocommit = was_autocommit

    return tell


def compile_nothing(connection: Connection) -> None:
    """For this transaction, which has just begun, where a session cannot be told once for all."""
    if is_pooled(connection):
        connection.exec_driver_sql("SET LOCAL jit = off")


def is_pooled(connection: Connection) -> bool:
    """Whether a pooler may hand each transaction of it to another session of the server."""
    return bool(getattr(connection.connection.driver_connection, "is_pooled", False))


def _is_served_by_another(connection: BoundedConnection) -> bool:
    """Whether a pooler is in between.

    Its clients are given a process id that is none of the server's (PgBouncer: a random one, for cancelling). One in
    session mode looks the same, and is treated the same.
    """
    (served_by,) = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone() or (None,)
    return bool(served_by != connection.info.backend_pid)
