"""The only place that sleeps. Waits until there may be something to do, or the time is up.

Three things end a wait early: `wake()` from another thread or a signal (a byte in a pipe), a NOTIFY on
PostgreSQL, a changed `PRAGMA data_version` on SQLite. All are hints; the poll when the time is up is the truth,
so a listening connection that is silently dead costs one poll interval and nothing else.
"""

import contextlib
import os
import random
import selectors
import sqlite3
import threading
import time
from typing import Any, Protocol

import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.database import JOBS_CHANNEL, is_postgresql

log = structlog.get_logger()

RELISTEN_SECONDS = 1.0
"""About so long after a failed attempt to listen, or two in a row that did not last, the next one is made."""

SQLITE_TICK = 0.02
"""Seconds between looks at SQLite's change counter: 4 µs each, so 0.02 % of a core."""


class ChangeHints(Protocol):
    """Something that may know earlier than the next poll that jobs changed."""

    tick: float | None
    """Seconds between two calls of `changed`, or None if `fileno` becomes readable instead."""

    def fileno(self) -> int | None:
        """A descriptor that becomes readable on a change."""
        ...

    def changed(self) -> bool:
        """Whether something changed since the last call."""
        ...

    is_fresh: bool
    """It has begun to watch just now: what changed before was not seen. For the reader to set to False."""

    def listen_anew(self) -> None:
        """Another server may be the database now."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Wakeup:
    """A wait that others can end. `wait` is for one thread, `wake` for all."""

    def __init__(self) -> None:
        self._read_fd, self.write_fd = os.pipe()
        for descriptor in (self._read_fd, self.write_fd):
            os.set_blocking(descriptor, False)
        self._lock = threading.Lock()
        self._woken = False
        self._is_closed = False
        self.hints: ChangeHints | None = None

    def wake(self) -> None:
        """End the wait in progress, or the next one. After `close`, when its descriptor may be another's, nothing."""
        with self._lock:
            if not self._woken and not self._is_closed:
                self._woken = True
                with contextlib.suppress(BlockingIOError):
                    os.write(self.write_fd, b"\0")

    def wait(self, seconds: float) -> bool:
        """Sleep until woken, hinted, or `seconds` are over. Returns whether the database gave the hint."""
        is_hinted = False
        deadline = time.monotonic() + seconds
        with selectors.PollSelector() as selector:  # not epoll, which fails when a job has taken all descriptors
            selector.register(self._read_fd, selectors.EVENT_READ)
            tick = self._watch_hints(selector)
            if self.hints is not None and self.hints.is_fresh:
                self.hints.is_fresh = False
                return True
            while (left := deadline - time.monotonic()) > 0:
                ready = selector.select(min(left, tick) if tick else left)
                if any(key.fileobj == self._read_fd for key, _ in ready):
                    break
                if (ready or tick) and self.hints is not None and self.hints.changed():
                    is_hinted = True
                    break
        self._drain()
        return is_hinted

    def listen_anew(self) -> None:
        """A connection was lost; the next may lead to another server, while the old one lives on and says nothing."""
        if self.hints is not None:
            self.hints.listen_anew()

    def close(self) -> None:
        """Close the pipe and the listening connection."""
        if self.hints is not None:
            self.hints.close()
        with self._lock:
            self._is_closed = True
            os.close(self._read_fd)
            os.close(self.write_fd)

    def _watch_hints(self, selector: selectors.BaseSelector) -> float | None:
        if self.hints is None:
            return None
        if (descriptor := self.hints.fileno()) is not None:
            selector.register(descriptor, selectors.EVENT_READ)
        return self.hints.tick

    def _drain(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            self._woken = False
            while os.read(self._read_fd, 1024):
                pass


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

    def changed(self) -> bool:
        """Whether another connection committed since the last call."""
        try:
            before, self._seen = self._seen, self._version()
        except sqlite3.Error as error:
            log.warning("listen.lost", reason=type(error).__name__)
            return False
        return before != self._seen

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

    def changed(self) -> bool:
        """True where notices came; also where the connection was lost, because then some may have been missed."""
        try:
            return len(list(self._connection.notifies(timeout=0))) > 0
        except Exception as error:  # noqa: BLE001 - psycopg's many ways to say that the connection is gone
            log.warning("listen.lost", reason=type(error).__name__)
            self.close()
            return True

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
