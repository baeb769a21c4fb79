"""SQLite connections that another thread may end: `cut()` rolls back and closes, also while a statement runs.

The sqlite3 module must not be closed under a thread that is inside it (measured: the process crashes), so every way in
takes a lock. Who cuts interrupts the statement until the lock is free; a statement that cannot be interrupted, because
it stands in line for the file, finds out when it comes back.
"""

import sqlite3
import threading
from typing import Any

PATIENCE = 0.02
TRIES = 50


class _Entry:
    """Inside, no other thread is in the connection; who leaves a connection that was cut meanwhile ends it."""

    def __init__(self, connection: "CuttableConnection") -> None:
        self._connection = connection
        self.lock = threading.RLock()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_error: object) -> None:
        try:
            if self._connection.is_cut:
                self._connection.end()
        finally:
            self.lock.release()


class CuttableConnection(sqlite3.Connection):
    """See the module. Its cursors must be CuttableCursors."""

    is_cut = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.entry = _Entry(self)
        super().__init__(*arguments, **options)

    def cut(self) -> None:
        """Roll back and close, at the latest when the statement that runs is over. From any thread."""
        self.is_cut = True
        for _ in range(TRIES):
            if self.entry.lock.acquire(timeout=PATIENCE):
                with self.entry:
                    self.entry.lock.release()
                return
            self.interrupt()

    def end(self) -> None:
        """Roll back, which frees the file for other writers even while a cursor lives, and close."""
        try:
            sqlite3.Connection.rollback(self)
        except sqlite3.Error:
            return  # it is closed already
        sqlite3.Connection.close(self)

    def commit(self) -> None:
        with self.entry:
            super().commit()

    def rollback(self) -> None:
        with self.entry:
            super().rollback()

    def close(self) -> None:
        with self.entry:
            super().close()


class CuttableCursor(sqlite3.Cursor):
    """Every step of a statement takes the connection's lock."""

    @property
    def _entry(self) -> _Entry:
        connection = self.connection
        assert isinstance(connection, CuttableConnection)  # noqa: S101 - see there
        return connection.entry

    def execute(self, *arguments: Any) -> Any:
        with self._entry:
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        with self._entry:
            return super().executemany(*arguments)

    def executescript(self, script: str) -> Any:
        with self._entry:
            return super().executescript(script)

    def fetchone(self) -> Any:
        with self._entry:
            return super().fetchone()

    def fetchmany(self, *size: Any, **named: Any) -> Any:
        with self._entry:
            return super().fetchmany(*size, **named)

    def fetchall(self) -> Any:
        with self._entry:
            return super().fetchall()

    def __next__(self) -> Any:
        with self._entry:
            return super().__next__()

    def close(self) -> None:
        with self._entry:
            super().close()
