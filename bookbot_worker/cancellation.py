"""The token that tells one attempt to stop, and why. Set by the loop, read by the job's thread."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum

import structlog

from bookbot_worker.lease import boot_clock
from bookbot_worker.outcomes import JobCancelled

log = structlog.get_logger()


class StopReason(StrEnum):
    """Why an attempt is asked to stop; it decides the outcome."""

    CANCEL = "cancel"
    SHUTDOWN = "shutdown"
    TIMEOUT = "timeout"
    LOST = "lost"


class StopToken:
    """One attempt's stop flag. It is never cleared; the first reason counts. `fired_at` is by `lease.boot_clock`."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self.fired_at = 0.0
        self._fired: threading.Event | None = None  # made for who waits: it takes longer than all the rest
        self._lock = threading.Lock()
        self._closers: list[Callable[[], object]] = []

    def fire(self, reason: StopReason) -> None:
        """Ask the attempt to stop, and close what it waits for."""
        with self._lock:
            if self.reason is not None:
                return
            self.fired_at, self.reason = boot_clock(), reason
            closers, self._closers = self._closers, []
            fired = self._fired
        if fired is not None:
            fired.set()
        for close in closers:  # job code: it may block, and the loop must not
            with contextlib.suppress(RuntimeError):  # no thread to be had: the job is given up when its grace is over
                threading.Thread(target=_close, args=(close,), name="closes-on-stop", daemon=True).start()

    def check(self) -> None:
        """Raises JobCancelled once the token has fired."""
        if self.reason is not None:
            raise JobCancelled(self.reason)

    def wait(self, duration: timedelta) -> None:
        """Pause; raises JobCancelled as soon as the token fires."""
        with self._lock:
            self.check()
            fired = self._fired = self._fired or threading.Event()
        fired.wait(duration.total_seconds())
        self.check()

    @contextmanager
    def closing(self, close: Callable[[], object]) -> Iterator[None]:
        """While the block runs, the token's firing also calls `close`, from another thread.

        What the block raises because it was closed becomes JobCancelled. Raises JobCancelled at once, before the
        block, where the token has fired already.
        """
        with self._lock:
            if self.reason is None:
                self._closers.append(close)
        self.check()
        try:
            yield
        except Exception:
            self.check()
            raise
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._closers.remove(close)


def _close(close: Callable[[], object]) -> None:
    """Whatever closing raises, the job goes on to its end: it waits as long as what it waits for, or its grace."""
    try:
        close()
    except Exception as error:  # noqa: BLE001 - job code
        log.warning("job.closer_failed", error=type(error).__name__)
