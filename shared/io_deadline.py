"""Every call to PostgreSQL ends in time: a watcher shuts the socket of one that lasts too long.

Only the client can see to that. Of a frozen server the kernel goes on acknowledging, so keepalives and
tcp_user_timeout notice nothing, and no statement_timeout arrives (measured: still blocked after 5 s with a
tcp_user_timeout of 1 s). When the socket is shut, libpq returns at once with an error, whatever the server does, and
the connection is broken for good: SQLAlchemy drops it, and what it had pooled besides.

psycopg awaits the network of an open connection in one place, `Connection.wait`. Being watched costs 1 µs a call.
"""

import contextlib
import math
import os
import socket
import threading
import time
import weakref
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq.abc import PGconn

RV = TypeVar("RV")


class Line:
    """The socket of one connection under a descriptor of its own.

    libpq closes its descriptor whenever it sees fit, also within a call, and the number may be another file's a moment
    later. This one is open until it is released.
    """

    __slots__ = ("__weakref__", "_close", "_descriptor", "is_shut")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._close = weakref.finalize(self, os.close, self._descriptor)
        self._close.atexit = False
        self.is_shut = False

    def shut(self) -> None:
        """Nothing goes through any more; whoever waits for it is told so by the system."""
        if self._close.alive:
            self.is_shut = True
            borrowed = socket.socket(fileno=self._descriptor)
            with contextlib.suppress(OSError):  # the other side may have gone already
                borrowed.shutdown(socket.SHUT_RDWR)
            borrowed.detach()

    def release(self) -> None:
        """Close the descriptor. Calling it again changes nothing."""
        self._close()


class Watcher:
    """One thread that knows when each call in progress is due, and shuts the lines of those that are overdue.

    A line is shut under the lock that `call_ends` takes, so that a call that ended in time is left alone. The lock
    is re-entrant: memory reclaimed while it is held may give back a connection, with a call of its own.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._due: dict[Line, float] = {}
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, unless it runs. Raises RuntimeError where the system allows no more."""
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="database-watcher", daemon=True)
                thread.start()
                self._thread = thread

    def call_begins(self, line: Line, seconds: float) -> None:
        """A call on `line` begins, and may last so long."""
        due = time.monotonic() + seconds
        with self._changed:
            self._due[line] = due
            if due < self._wakes_at:
                self._changed.notify()

    def call_ends(self, line: Line) -> None:
        """The call is over; where its line is being shut, once that is done."""
        with self._changed:
            self._due.pop(line, None)

    def release(self, line: Line) -> None:
        """The connection is closed: let go of its line, and of its number."""
        with self._changed:
            self._due.pop(line, None)
            line.release()

    def shut_overdue(self, now: float) -> float:
        """Shut the lines of the calls that are due at `now` (monotonic); returns when the next one is."""
        with self._changed:
            for line, due in self._due.copy().items():
                if due <= now:
                    del self._due[line]
                    line.shut()
            return min(self._due.copy().values(), default=math.inf)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                self._wakes_at = self.shut_overdue(now)
                self._changed.wait(None if self._wakes_at == math.inf else self._wakes_at - now)


class BoundedConnection(psycopg.Connection[Any]):
    """A connection on which no call lasts longer than `io_limit` seconds; the one that does raises OperationalError.

    A call is what a driver's method waits for: a statement with its whole result, a commit, one fetch of a server-side
    cursor. Waiting for notices is no call as long as `notifies` is given a timeout. Connecting is bounded by libpq's
    connect_timeout instead (the look-up of the host's name by the system's resolver).
    """

    io_limit: float = math.inf

    is_pooled: bool = False
    """Whether a pooler hands each transaction to another session of the server, so that nothing set in one lasts."""

    def __init__(self, pgconn: PGconn, *arguments: Any) -> None:
        super().__init__(pgconn, *arguments)
        try:
            _watcher.start()
            self._line = Line(pgconn.socket)
        except (OSError, RuntimeError) as error:
            pgconn.finish()
            raise psycopg.OperationalError(f"the connection cannot be watched: {error}") from error

    @classmethod
    def connect(  # type: ignore[override]  # it takes what psycopg's takes, and passes it on
        cls, conninfo: str = "", *, io_limit: float = math.inf, **options: Any
    ) -> Self:
        """psycopg's own, with the limit in seconds."""
        connection = super().connect(conninfo, **options)
        connection.io_limit = io_limit
        return connection

    def wait(self, gen: PQGen[RV], *timing: Any, **named: Any) -> RV:
        """Where psycopg awaits the network. Raises OperationalError when the limit is over."""
        if named.get("timeout") is not None:
            return super().wait(gen, *timing, **named)
        watcher, line = _watcher, self._line
        try:
            watcher.call_begins(line, self.io_limit)
            return super().wait(gen, *timing, **named)
        except psycopg.OperationalError as error:
            if line.is_shut and error.sqlstate is None:
                raise psycopg.OperationalError(f"the database did not answer within {self.io_limit:g} s") from error
            raise
        finally:
            watcher.call_ends(line)

    def close(self) -> None:
        """Close the connection; also what libpq left of one that broke."""
        super().close()
        _watcher.release(self._line)


_watcher = Watcher()


def _renew_after_fork() -> None:
    """A child has none of its parent's threads, and perhaps a lock that one of them held."""
    global _watcher
    _watcher = Watcher()


os.register_at_fork(after_in_child=_renew_after_fork)
