"""The token that tells one attempt to stop, and why. Set by the loop, read by the job's thread."""

import threading
from datetime import timedelta
from enum import StrEnum

from bookbot_worker.outcomes import JobCancelled


class StopReason(StrEnum):
    """Why an attempt is asked to stop; it decides the outcome."""

    CANCEL = "cancel"
    SHUTDOWN = "shutdown"


class StopToken:
    """One attempt's stop flag. It is never cleared; the first reason counts."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self._fired = threading.Event()

    def fire(self, reason: StopReason) -> None:
        """Ask the attempt to stop."""
        self.reason = self.reason or reason
        self._fired.set()

    def check(self) -> None:
        """Raises JobCancelled once the token has fired."""
        if self.reason is not None:
            raise JobCancelled(self.reason)

    def wait(self, duration: timedelta) -> None:
        """Pause; raises JobCancelled as soon as the token fires."""
        self._fired.wait(duration.total_seconds())
        self.check()
