"""How the database tells, earlier than the next poll, that jobs changed: a NOTIFY, or SQLite's change counter.

Hints only: a listening connection that is silently dead costs one poll interval and nothing else.
"""

import random
import sqlite3
import time
from enum import IntEnum
from typing import Any, Protocol

import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.database import JOBS_CHANNEL, NEW_JOBS, is_postgresql

log = structlog.get_logger()

RELISTEN_SECONDS = 1.0
"""About so long after a failed attempt to listen, or two in a row that did not last, the next one is made."""

SQLITE_TICK = 0.02
"""Seconds between looks at SQLite's change counter: 4 µs each, so 0.02 % of a core."""


class Hint(IntEnum):
    """What the database says has changed."""

    NOTHING = 0
    NEW_JOBS = 1
    """Jobs were inserted, nothing else: nobody has asked for anything."""
    ANYTHING = 2


class ChangeHints(Protocol):
    """Something that may know earlier than the next poll that jobs changed."""

    tick: float | None
    """Seconds between two calls of `changed`, or None if `fileno` becomes readable instead."""

    def fileno(self) -> int | None:
        """A descriptor that becomes readable on a change."""
        ...

    def changed(self) -> Hint:
        """What changed since the last call."""
        ...

    is_fresh: bool
    """It has begun to watch just now: what changed before was not seen. For the reader to set to False."""

    def listen_anew(self) -> None:
        """Another server may be the database now."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class SqliteChanges:
    """`PRAGMA data_version` changes whenever another connection commits to the file."""

    tick: float | None = SQLITE_TICK
    is_fresh = False

    def __init__(self, engine: Engine) -> None:
        self._connection = _own_connection(engine)
        self._seen = self._version()

    def fileno(self) -> int | None:
        """SQLite has nothing to select on."""
        return None

    def changed(self) -> Hint:
        """Whether another connection committed since the last call; what, nobody knows."""
        try:
            before, self._seen = self._seen, self._version()
        except sqlite3.Error as error:
            log.warning("listen.lost", reason=type(error).__name__)
            return Hint.NOTHING
        return Hint.ANYTHING if before != self._seen else Hint.NOTHING

    def listen_anew(self) -> None:
        """It is the same file."""

    def close(self) -> None:
        """Close the watching connection."""
        self._connection.close()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


class PostgresNotices:
    """A connection that does nothing but LISTEN (any other query on it would swallow notices).

    Through a pooler in transaction mode there is none: a notice goes to a session of the server that belongs to nobody.
    """

    tick: float | None = None

    def __init__(self, engine: Engine) -> None:
        self._connection: Any = None
        self._engine = engine
        self._is_unavailable = False
        self._next_try = 0.0
        self._listens_since = -RELISTEN_SECONDS
        self.fileno()
        self.is_fresh = False

    def fileno(self) -> int | None:
        """The socket to select on, after an attempt to reconnect where it was lost; None where one cannot listen.

        The loop may turn thousands of times a second, so failed attempts are spread; also those after a connection that
        did not last, because its loss makes the loop turn (90 attempts a second where each was reset at once).
        """
        now = time.monotonic()
        if self._connection is None and not self._is_unavailable and now >= self._next_try:
            pause = RELISTEN_SECONDS * (0.5 + random.random())  # noqa: S311 - jitter
            try:
                self._listen()
            except (psycopg.Error, SQLAlchemyError):
                self._next_try = now + pause
            else:
                self._next_try = now + pause if now < self._listens_since + RELISTEN_SECONDS else now
                self._listens_since = now
                self.is_fresh = self._connection is not None
        return None if self._connection is None else int(self._connection.fileno())

    def changed(self) -> Hint:
        """What notices say; anything, where the connection was lost, because then some may have been missed."""
        try:
            said = {notice.payload for notice in self._connection.notifies(timeout=0)}
        except Exception as error:  # noqa: BLE001 - psycopg's many ways to say that the connection is gone
            log.warning("listen.lost", reason=type(error).__name__)
            self.close()
            return Hint.ANYTHING
        if not said:
            return Hint.NOTHING
        return Hint.NEW_JOBS if said == {NEW_JOBS} else Hint.ANYTHING

    def listen_anew(self) -> None:
        """Let go of the connection; the next wait makes one, to the server that takes writes."""
        self.close()

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _listen(self) -> None:
        """Raises psycopg's own errors: a connection that is not the pool's is not wrapped by SQLAlchemy."""
        connection = _own_connection(self._engine)
        if connection.is_pooled:
            connection.close()
            self._is_unavailable = True
            log.info("listen.unavailable", reason="the database is reached through a connection pooler")
            return
        try:
            connection.autocommit = True
            connection.execute(f"LISTEN {JOBS_CHANNEL}")
        except psycopg.Error:
            connection.close()
            raise
        self._connection = connection


def change_hints(engine: Engine) -> ChangeHints:
    """The early hints this database can give."""
    return PostgresNotices(engine) if is_postgresql(engine) else SqliteChanges(engine)


def _own_connection(engine: Engine) -> Any:
    """A driver connection that no longer belongs to the pool."""
    pooled = engine.raw_connection()
    connection = pooled.driver_connection
    pooled.detach()
    return connection
