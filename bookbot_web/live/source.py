"""The tail's one connection: it reads, and it notices that something may have changed.

PostgreSQL: the same session listens; a notice is a hint, and those that come during a query count too. SQLite: its
change counter, which moves whenever another connection commits. Neither tells of everything at once (no notice is
sent for a log line), so the tail also looks by itself.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from shared.database import JOBS_CHANNEL, is_postgresql, make_engine, read_only
from shared.settings import Settings

LONGEST_CALL = 5.0
"""Seconds one statement may take; viewers are told of trouble sooner than by the limit of other connections."""

SQLITE_TICK = 0.05
"""Seconds between looks at SQLite's change counter, 4 µs each."""


class Source:
    """Connects when asked to; may be closed and connected again. For one thread."""

    def __init__(self, settings: Settings) -> None:
        limit = min(LONGEST_CALL, settings.database_timeout_seconds)
        self._engine = read_only(
            make_engine(settings, application="bookbot-web-tail", pool_size=1, spare=0, io_limit=limit)
        )
        self._connection: Connection | None = None
        self._seen = -1
        self._listens = False

    @property
    def tick(self) -> float | None:
        """Seconds between two calls of `has_changed`, None where `fileno` becomes readable instead."""
        return None if is_postgresql(self._engine) else SQLITE_TICK

    def connect(self) -> None:
        """Connect, unless that is done. Raises what the database says."""
        if self._connection is not None:
            return
        connection = self._engine.connect()
        self._connection = connection
        if is_postgresql(self._engine):
            connection.execution_options(isolation_level="AUTOCOMMIT")
            self._listens = not self._driver.is_pooled
            if self._listens:
                self._driver.execute(f"LISTEN {JOBS_CHANNEL}")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session on the connection. Whatever it read is no transaction any more when the block ends."""
        with Session(self._connection) as session:
            yield session

    def fileno(self) -> int | None:
        """A descriptor that becomes readable on a notice, or None."""
        return int(self._driver.fileno()) if self._listens else None

    def has_changed(self) -> bool:
        """Whether there was a hint since the last call. Raises psycopg.Error where the connection is gone."""
        if self._listens:
            return len(list(self._driver.notifies(timeout=0))) > 0
        if is_postgresql(self._engine):
            return False
        before, self._seen = self._seen, int(self._driver.execute("PRAGMA data_version").fetchone()[0])
        return before != self._seen

    def close(self) -> None:
        """Let go of the connection, whatever its state."""
        connection, self._connection, self._listens = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError, psycopg.Error):
                connection.invalidate()
                connection.close()
        self._engine.dispose()

    @property
    def _driver(self) -> Any:
        if self._connection is None:
            raise RuntimeError("connect first")
        return self._connection.connection.driver_connection
