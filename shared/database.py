"""Connecting to the one database, PostgreSQL or SQLite, so that the rest need not know which it is.

Owns the differences that are about connections: URLs, pools, pragmas, how a transaction begins, how a change
is announced. It opens nothing at import.

SQLite: every transaction that may write starts with BEGIN IMMEDIATE, because a reader that becomes a writer is
refused at once with SQLITE_BUSY_SNAPSHOT, whatever busy_timeout says (measured: after 0.00 s). A transaction
that only reads asks for `read_only(engine)` and begins deferred, so that readers never wait for writers.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, any_, bindparam, create_engine, event, make_url, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings

JOBS_CHANNEL = "bookbot_jobs"
"""NOTIFY channel: "something about jobs changed, look". A hint without content; polling is the truth."""

SQLITE_BEGIN = "sqlite_begin"
"""Execution option: how this connection's transactions begin on SQLite (IMMEDIATE or DEFERRED)."""


_IDLE = "bookbot_idle"
"""In a pooled connection's record: it has lain in the pool, unused."""


def parse_database_url(raw: str) -> URL:
    """The URL SQLAlchemy understands, with the psycopg 3 driver for every spelling of PostgreSQL.

    Raises ConfigurationError for anything but PostgreSQL or an SQLite file; the text never shows a password.
    """
    try:
        url = make_url(raw)
    except (ArgumentError, ValueError):
        raise ConfigurationError("DATABASE_URL: not a database URL; try postgresql://user@host/name") from None
    backend = url.drivername.partition("+")[0]
    if backend in ("postgres", "postgresql"):
        if "@" in (url.host or ""):
            raise ConfigurationError("DATABASE_URL: an @ in the password must be written as %40")
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ConfigurationError(
                "DATABASE_URL: an in-memory SQLite database cannot be shared by web and worker; use sqlite:///file.db"
            )
        if url.query:
            raise ConfigurationError("DATABASE_URL: an SQLite URL takes no parameters; use sqlite:///file.db")
        return url.set(drivername="sqlite")
    raise ConfigurationError(f"DATABASE_URL: {backend!r} is not supported; use PostgreSQL or SQLite")


def make_engine(
    settings: Settings, *, application: str = "bookbot", pool_size: int = 5, spare: int = 10, patience: float = 30.0
) -> Engine:
    """An engine for `settings.database_url`: at most `pool_size + spare` connections, made when needed.

    `application` is the name the server shows for its sessions; `patience` how many seconds a caller waits for a
    connection that others use.
    """
    url = parse_database_url(settings.database_url.get_secret_value())
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": spare,
        "pool_timeout": patience,
        "hide_parameters": True,
    }
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Keepalives and tcp_user_timeout: without them libpq does not notice a black hole for minutes.
    connect_args = {
        "application_name": application,
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    known = {key: value for key, value in connect_args.items() if key not in url.query}
    engine = create_engine(url, connect_args=known, pool_recycle=1800, **options)
    event.listen(engine, "checkin", _note_idle)
    event.listen(engine, "checkout", _refuse_if_closed)
    return engine


def read_only(engine: Engine) -> Engine:
    """The same pool for transactions that only read: on SQLite they do not queue behind writers."""
    return engine.execution_options(**{SQLITE_BEGIN: "DEFERRED"})


@lru_cache(maxsize=1)
def default_engine() -> Engine:
    """The engine of this process for callers that bring no session; made from the environment on first use."""
    return make_engine(load_settings())


@contextmanager
def joined(session: Session | None) -> Iterator[Session]:
    """`session` itself, its transaction left to the caller; or, where it is None, a new one that commits here.

    This is what makes the enqueue transactional: with a session, the job appears when the caller commits.
    """
    if session is not None:
        yield session
        return
    with Session(default_engine(), expire_on_commit=False) as own, own.begin():
        yield own


def announce_jobs(connection: Connection) -> None:
    """Tell listening workers, at commit, that there is something to look at (inserts are told by a trigger)."""
    if is_postgresql(connection):
        connection.execute(text(f"SELECT pg_notify('{JOBS_CHANNEL}', '')"))


def is_one_of(column: ColumnElement[Any], name: str, dialect: str) -> ColumnElement[bool]:
    """`column` is in the list bound as `name`.

    One array parameter on PostgreSQL, so that the statement stays the same, and prepared, whatever the length; an
    expanding IN on SQLite.
    """
    if dialect == "postgresql":
        return column == any_(bindparam(name, type_=ARRAY(column.type)))
    return column.in_(bindparam(name, expanding=True))


def is_postgresql(bound: Connection | Engine) -> bool:
    """Whether this speaks to PostgreSQL (else it is SQLite)."""
    return bound.dialect.name == "postgresql"


def _note_idle(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_IDLE] = True


def _refuse_if_closed(connection: Any, record: ConnectionPoolEntry, _handed_out: Any) -> None:
    """Have the pool replace a connection that the server closed while it lay idle (a restart, an idle timeout).

    Such a socket is readable: the server's farewell or the end of file is waiting there, and nothing is when all is
    well. That costs 2 µs, where a ping costs a round trip for every use. Raises DisconnectionError.
    """
    if record.info.pop(_IDLE, False):
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            raise DisconnectionError("the server closed this connection while nobody used it")


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # the driver begins nothing by itself; _begin_sqlite does
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get(SQLITE_BEGIN, "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")
