"""Connecting to the one database, PostgreSQL or SQLite, so that the rest need not know which it is.

Owns the differences that are about connections: URLs, pools, pragmas, how a transaction begins, how a change
is announced, which connections are given up. It opens nothing at import.

PostgreSQL: of several hosts the one that takes writes is used, a server that is or becomes read-only is left, no call
lasts longer than its limit, and a pooler in transaction mode is recognised: nothing here may need what a session keeps.

SQLite: every transaction that may write starts with BEGIN IMMEDIATE, because a reader that becomes a writer is
refused at once with SQLITE_BUSY_SNAPSHOT, whatever busy_timeout says (measured: after 0.00 s). A transaction
that only reads asks for `read_only(engine)` and begins deferred, so that readers never wait for writers.
"""

import re
import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from shared.database_json import read_json, write_json
from shared.errors import ConfigurationError
from shared.io_deadline import BoundedConnection
from shared.pg_session import told
from shared.settings import Settings, load_settings

JOBS_CHANNEL = "bookbot_jobs"
"""NOTIFY channel: "something about jobs changed, look". A hint, almost without content; polling is the truth."""

NEW_JOBS = "new"
"""What a trigger says there: jobs were inserted, and nobody is asked for anything else."""

SQLITE_BEGIN = "sqlite_begin"
"""Execution option: how this connection's transactions begin on SQLite (IMMEDIATE or DEFERRED)."""

_ASKING = "bookbot_asking"
"""In an engine: the same for single questions, made once because that takes 40 µs."""

_IDLE = "bookbot_idle"
"""In a pooled connection's record: it has lain in the pool, unused."""

_PORTS_OF_HOSTS = re.compile(r"(postgres(?:ql)?(?:\+psycopg)?://)(?:[^/?#]*@)?+(?=[^/?#]*,)(?=[^/?#]*[^:/?#]:\d)")
"""The beginning of a URL with a list of hosts where at least one has a port."""


def parse_database_url(raw: str) -> URL:
    """The URL SQLAlchemy understands, with the psycopg 3 driver for every spelling of PostgreSQL.

    Several hosts, tried in turn, as libpq spells them: `postgresql://user@one:5432,two:5433/name`, or as SQLAlchemy
    does: `postgresql://user@/name?host=one:5432&host=two:5433`. Raises ConfigurationError for anything but PostgreSQL
    or an SQLite file; the text never shows a password.
    """
    try:
        url = _read_url(raw)
    except (ArgumentError, ValueError, psycopg.ProgrammingError):
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


def _read_url(raw: str) -> URL:
    """What make_url does; where hosts have ports, of which it knows but one, libpq's own parser. Raises as they do."""
    several = _PORTS_OF_HOSTS.match(raw)
    if several is None:
        return make_url(raw)
    found: dict[str, Any] = conninfo_to_dict(f"postgresql://{raw[several.end(1) :]}")
    if any(port and not port.isdecimal() for port in found.get("port", "").split(",")) or "@" in found.get("host", ""):
        raise ValueError
    own = {"username": found.pop("user", None), "password": found.pop("password", None)}
    return URL.create("postgresql", database=found.pop("dbname", None), query=found, **own)


def make_engine(
    settings: Settings,
    *,
    application: str = "bookbot",
    pool_size: int = 5,
    spare: int = 10,
    patience: float = 30.0,
    io_limit: float | None = None,
    session: Mapping[str, str] | None = None,
) -> Engine:
    """An engine for `settings.database_url`: at most `pool_size + spare` connections, made when needed.

    `application` is the name the server shows for its sessions; `patience` how many seconds a caller waits for a
    connection that others use; `io_limit` how many seconds one call of PostgreSQL may take before the connection is
    given up, and one of SQLite wait for its turn (None: as the settings say, `math.inf`: any time, for a migration);
    `session` PostgreSQL's settings for its sessions, beside those of all (`pg_session`).
    """
    limit = settings.database_timeout_seconds if io_limit is None else io_limit
    url = parse_database_url(settings.database_url.get_secret_value())
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": spare,
        "pool_timeout": patience,
        "hide_parameters": True,
        "json_deserializer": read_json,
        "json_serializer": write_json,
    }
    if url.get_backend_name() == "sqlite":
        turn = {"timeout": min(limit, 86_400), "check_same_thread": False}
        engine = create_engine(url, connect_args=turn, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Not as `options` of the session, which a pooler refuses. Keepalives and tcp_user_timeout: without
    # them libpq does not notice a black hole while nobody waits for an answer.
    connect_args = {
        "application_name": application,
        "target_session_attrs": "read-write",
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    known = {key: value for key, value in connect_args.items() if key not in url.query}
    known["io_limit"] = limit
    engine = create_engine(url, connect_args=known, pool_recycle=1800, **options)
    event.listen(engine, "do_connect", connect_bounded)
    event.listen(engine, "connect", told(session or {}))
    event.listen(engine, "handle_error", _leave_read_only_server)
    event.listen(engine, "checkin", _note_idle)
    event.listen(engine, "checkout", _refuse_if_closed)
    return engine


def connect_bounded(_dialect: Any, _record: Any, arguments: Any, options: Any) -> BoundedConnection:
    """SQLAlchemy's event do_connect: with connections whose calls end in time."""
    return BoundedConnection.connect(*arguments, **options)


def read_only(engine: Engine) -> Engine:
    """The same pool for transactions that only read: on SQLite they do not queue behind writers."""
    return engine.execution_options(**{SQLITE_BEGIN: "DEFERRED"})


def asking(engine: Engine) -> Engine:
    """The same pool for single questions, each a transaction of its own.

    On PostgreSQL no BEGIN goes before it and no ROLLBACK after it, at which psycopg forgets all that it has prepared on
    the connection, and the server plans it anew.
    """
    made: Engine | None = vars(engine).get(_ASKING)
    if made is None:
        alone = {"isolation_level": "AUTOCOMMIT"} if is_postgresql(engine) else {}
        made = vars(engine)[_ASKING] = read_only(engine).execution_options(**alone)
    return made


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


def is_postgresql(bound: Connection | Engine) -> bool:
    """Whether this speaks to PostgreSQL (else it is SQLite)."""
    return bound.dialect.name == "postgresql"


def _leave_read_only_server(context: ExceptionContext) -> None:
    """Have the pool drop its connections to a server that has become read-only; dead ones SQLAlchemy knows itself."""
    connection = context.connection
    if (
        getattr(context.original_exception, "sqlstate", None) == psycopg.errors.ReadOnlySqlTransaction.sqlstate
        and connection is not None
        and not connection.invalidated
        and _is_read_only(connection.connection.driver_connection)
    ):
        context.is_disconnect = True


def _is_read_only(connection: Any) -> bool:
    """Whether it is the server that takes no writes, not a transaction that somebody began as READ ONLY.

    From version 14 the server reports both ways to be read-only; what a pooler reports may be long past.
    """
    known = [connection.info.parameter_status(name) for name in ("in_hot_standby", "default_transaction_read_only")]
    return connection.is_pooled or known != ["off", "off"]


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
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get(SQLITE_BEGIN, "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")
