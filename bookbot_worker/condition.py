"""What this worker is doing, and what keeps it from working: for its row, its log and its health page.

A worker that can do no work must say so: celery #8030 lived, logged nothing and consumed nothing. The condition is
read by other threads than the loop's, so that it also tells when the loop itself is stuck.
"""

from collections.abc import Callable
from typing import Any

import structlog

from bookbot_worker.lease import Lease

log = structlog.get_logger()


class Condition:
    """Kept by the loop, read by everybody. `stuck_after`: seconds after which a turn of the loop counts as hung."""

    def __init__(self, lease: Lease, wake: Callable[[], None], stuck_after: float) -> None:
        self.wake = wake
        self.wants_pause = False
        self.is_paused = False
        self.is_draining = False
        self._request: str | None = None
        self.outage: str | None = None
        self.slots = 0
        self.busy = 0
        self.leaked = 0
        self.lease = lease
        self._stuck_after = stuck_after
        self._turning_since: float | None = None
        self._told: str | None = None

    @property
    def state(self) -> str:
        """As it stands in `workers.state`."""
        if self.is_draining:
            return "draining"
        return "paused" if self.is_paused else "running"

    def heeds_pause(self) -> bool:
        """Pause or go on, as was asked since the last turn; whether that changed anything.

        Said by the loop and not by who asks: a claim that was under way then is over now.
        """
        if self.is_paused == self.wants_pause:
            return False
        self.is_paused = self.wants_pause
        if self.is_paused:
            log.info("worker.paused")
        else:
            log.info("worker.resumed")
        return True

    def heeds_request(self, requested: str | None) -> bool:
        """Hear what somebody asks this worker to be, once each time that changes; whether it is to drain."""
        if requested == self._request:
            return False
        self._request = requested
        if requested in ("paused", "running"):
            self.wants_pause = requested == "paused"
        log.info("worker.asked", state=requested)
        return requested == "draining"

    def turn_begins(self) -> None:
        """The loop does something from now on."""
        self._turning_since = self.lease.clock()

    def turn_ends(self) -> None:
        """The loop sleeps from now on."""
        self._turning_since = None

    @property
    def is_stuck(self) -> bool:
        """Whether one turn of the loop has taken longer than any turn should."""
        since = self._turning_since
        return since is not None and self.lease.clock() - since > self._stuck_after

    def trouble(self) -> str | None:
        """Why this worker can do no work, in one sentence; None while it can."""
        if self.is_stuck:
            return "the loop is stuck"
        if self.outage is not None:
            return f"the database does not serve: {self.outage}"
        if not self.lease.is_trusted:
            silent = self.lease.silent_for
            since = "yet" if silent == float("inf") else f"for {silent:.0f} s"
            return f"no beat has reached the database {since}"
        if self.slots and self.leaked >= self.slots:
            return "every slot is lost to a job that does not stop"
        return None

    def why_not_ready(self) -> str | None:
        """Why this worker takes no job now: trouble, or because somebody wants it so."""
        return self.trouble() or (None if self.state == "running" else f"it is {self.state}")

    def tell(self) -> None:
        """Say in the log when trouble begins and ends."""
        trouble = self.trouble()
        kind = None if trouble is None else trouble.partition(":")[0].partition(" for ")[0]  # without its figures
        if kind == self._told:
            return
        self._told = kind
        if trouble is None:
            log.info("worker.works_again")
        else:
            log.warning("worker.cannot_work", reason=trouble)

    def status(self) -> dict[str, Any]:
        """Figures for the health page."""
        return {"state": self.state, "slots": self.slots, "busy": self.busy, "leaked": self.leaked}
