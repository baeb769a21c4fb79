"""The only place that sleeps. Waits until there may be something to do, or the time is up.

Three things end a wait early: `wake()` from another thread or a signal (a byte in a pipe), a NOTIFY on
PostgreSQL, a changed `PRAGMA data_version` on SQLite (`change_hints.py`). All are hints; the poll when the time is up
is the truth.
"""

import contextlib
import os
import selectors
import threading
import time

from bookbot_worker.change_hints import ChangeHints, Hint


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

    def wait(self, seconds: float) -> Hint:
        """Sleep until woken, hinted, or `seconds` are over. Returns the database's hint."""
        hint = Hint.NOTHING
        deadline = time.monotonic() + seconds
        with selectors.PollSelector() as selector:  # not epoll, which fails when a job has taken all descriptors
            selector.register(self._read_fd, selectors.EVENT_READ)
            tick = self._watch_hints(selector)
            if self.hints is not None and self.hints.is_fresh:
                self.hints.is_fresh = False
                return Hint.ANYTHING
            while (left := deadline - time.monotonic()) > 0:
                ready = selector.select(min(left, tick) if tick else left)
                if any(key.fileobj == self._read_fd for key, _ in ready):
                    break
                if (ready or tick) and self.hints is not None and (hint := self.hints.changed()):
                    break
        self._drain()
        return hint

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
