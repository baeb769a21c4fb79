"""Which errors of the database are nobody's fault and pass: one table for both databases, and the words for a log.

Pure: it looks at exceptions only. What the driver calls an error says too little: psycopg files a deadlock, a full
disk, a statement that is too complex and one with too many parameters all under OperationalError, sqlite3 a locked
file and a missing table. So SQLSTATEs and SQLite's result codes decide.
"""

import re
import sqlite3

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_CONFLICTS = frozenset(
    {
        "40001",  # could not serialize
        "40P01",  # deadlock
        "55P03",  # lock_timeout, or NOWAIT
    }
)

_SESSION_ENDED = frozenset(
    {
        "25P03",  # it was idle in its transaction for too long
        "25P04",  # its transaction lasted too long
    }
)

_CLASSES = (
    "08",  # connections
    "53",  # disk, memory, connections are used up
    "57",  # the administrator or a timeout intervened; the server starts or stops
    "58",  # files and devices
)

_READ_ONLY = "25006"

_NOT_SUPPORTED = "0A000"
_STALE_PLAN = "RevalidateCachedQuery"
"""Where the server finds, whatever its language, that a migration has changed a type a prepared statement returns."""

_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_NOMEM,
    }
)

_WORDS = {
    _READ_ONLY: "the server is read-only, a standby perhaps",
    "53100": "the server's disk is full",
    "53300": "the server is out of connections",
}

_LONGEST = 300
_SECRET = re.compile(r"(://[^:/@\s]*:)\S*(?=@)|(\bpassword\s*=\s*)(?:'[^']*'|\S+)", re.IGNORECASE)


def is_outage(error: BaseException) -> bool:
    """Whether the same statement may work later: connections, locks, timeouts, full disks; not data, not programs.

    A read-only transaction counts where the connection was invalidated for it, which our engines do when the server is
    to blame (`shared/database.py`); one that somebody began as READ ONLY stays refused.
    """
    if isinstance(error, PoolTimeout):
        return True
    driver = _driver_error(error)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(driver, sqlite3.Error):
        return (getattr(driver, "sqlite_errorcode", 0) & 0xFF) in _SQLITE
    if not isinstance(driver, psycopg.Error):
        return False
    if driver.sqlstate is None:
        # Of a connection, made or lost; but a statement that leaves its connection whole was itself at fault:
        # libpq refuses to send more than 65,535 parameters.
        is_of_statement = isinstance(error, DBAPIError) and error.statement is not None
        return isinstance(driver, psycopg.InterfaceError) or (
            isinstance(driver, psycopg.OperationalError) and not is_of_statement
        )
    if driver.sqlstate == _NOT_SUPPORTED:
        return driver.diag.source_function == _STALE_PLAN
    return driver.sqlstate in _CONFLICTS | _SESSION_ENDED or driver.sqlstate.startswith(_CLASSES)


def is_conflict(error: BaseException) -> bool:
    """Whether the transaction lost against another one and may be done again at once."""
    driver = _driver_error(error)
    return isinstance(driver, psycopg.Error) and driver.sqlstate in _CONFLICTS


def reason(error: BaseException) -> str:
    """What the database said, for a log: its first line, without passwords, at most 300 characters."""
    if isinstance(error, PoolTimeout):
        return "every connection of this process is in use"
    driver = _driver_error(error) or error
    first = next((line.strip() for line in str(driver).splitlines() if line.strip()), type(driver).__name__)
    words = _WORDS.get(getattr(driver, "sqlstate", None) or "")
    return _SECRET.sub(r"\1\2***", f"{words}: {first}" if words else first)[:_LONGEST]


def _driver_error(error: BaseException) -> BaseException | None:
    """What the driver raised, whether SQLAlchemy wrapped it or not; None for what no driver raised."""
    found = error.orig if isinstance(error, DBAPIError) else error
    return found if isinstance(found, psycopg.Error | sqlite3.Error) else None
