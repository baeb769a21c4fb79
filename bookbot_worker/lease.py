"""How long this worker may believe that the others count it as alive. Pure arithmetic over an injected clock.

The database's clock decides who is dead; this clock only makes the worker stop earlier. It is CLOCK_BOOTTIME where
there is one: it goes on while the machine sleeps, as the database's clock does, and never jumps.
"""

import time
from collections.abc import Callable

MARGIN = 0.25
"""The part of the lease that is not relied on: an answer may have been under way for as long."""


_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def boot_clock() -> float:
    """Seconds since the machine started, its sleep included."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


class Lease:
    """`seconds` from the moment the last successful beat was *sent*: the database cannot have counted from earlier."""

    def __init__(self, seconds: float, clock: Callable[[], float] = boot_clock) -> None:
        self.seconds = seconds
        self.clock = clock
        self._sent_at: float | None = None
        self._unbroken_since: float | None = None

    def renewed(self, sent_at: float) -> None:
        """A beat that was sent at `sent_at` has succeeded."""
        if self._unbroken_since is None or sent_at - (self._sent_at or sent_at) > self.seconds / 2:
            self._unbroken_since = sent_at
        self._sent_at = sent_at

    def missed(self) -> None:
        """A beat has failed."""
        self._unbroken_since = None

    @property
    def silent_for(self) -> float:
        """Seconds since the last successful beat was sent; infinite before the first."""
        return float("inf") if self._sent_at is None else self.clock() - self._sent_at

    @property
    def is_trusted(self) -> bool:
        """Whether this worker may claim jobs and start calls that cost money."""
        return self.silent_for < self.seconds * (1 - MARGIN)

    @classmethod
    def eternal(cls) -> "Lease":
        """A lease that needs no beats: for running a job's code without a worker."""
        lease = cls(float("inf"))
        lease.renewed(lease.clock())
        return lease

    @property
    def has_seen_others_beat(self) -> bool:
        """Whether beats have succeeded without a gap for one whole lease.

        If not, the database may just have come back from an outage, and workers that live may look dead because they
        could not beat either; the first one back would rescue everybody's jobs (solid_queue #761, airflow #7925).
        """
        since = self._unbroken_since
        return since is not None and self.is_trusted and self.clock() - since >= self.seconds


ETERNAL = Lease.eternal()
