"""What this worker is doing, and what keeps it from working: for its row, its log and its health page.

A worker that can do no work must say so: celery #8030 lived, logged nothing and consumed nothing. The condition is
read by other threads than the loop's, so that it also tells when the loop itself is stuck.
"""

from collections.abc import Callable
from typing import Any

import structlog

from bookbot_worker.lease import Lease
from bookbot_worker.meter import Meter

log = structlog.get_logger()

STUCK_FACTOR = 4
"""A turn of the loop that takes this many times the longest database call is hung."""


class Condition:
    """Kept by the loop, read by everybody. `stuck_after`: seconds after which a turn of the loop counts as hung.

    `on_turn` is called by the loop at the end of every turn, thousands of times a second, and when it begins to drain;
    `longest_sleep`: seconds it may sleep between two turns, for who has to hear of one in time.
    """

    def __init__(self, lease: Lease, wake: Callable[[], None], stuck_after: float) -> None:
        self.wake = wake
        self.meter = Meter()
        self.wants_pause = False
        self.is_paused = False
        self.is_draining = False
        self._request: str | None = None
        self.outage: str | None = None
        self.slots = 0
        self.busy = 0
        self.leaked = 0
        self.lease = lease
        self.stuck_after = stuck_after
        self.longest_sleep = float("inf")
        self.on_turn: Callable[[], None] = _nobody_listens
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
        self.on_turn()

    def drains(self) -> None:
        """Nothing more is claimed; what runs may finish."""
        self.is_draining = True
        self.on_turn()

    @property
    def is_stuck(self) -> bool:
        """Whether one turn of the loop has taken longer than any turn should."""
        since = self._turning_since
        return since is not None and self.lease.clock() - since > self.stuck_after

    def trouble(self) -> str | None:
        """Why this worker can do no work, in one sentence; None while it can."""
        if not self.is_stuck and self.outage is None and not self.lease.is_trusted:
            silent = self.lease.silent_for
            since = "yet" if silent == float("inf") else f"for {silent:.0f} s"
            return f"no beat has reached the database {since}"
        return self.trouble_to_tell()

    def trouble_to_tell(self) -> str | None:
        """The same in a beat: that none has reached the database is over when this one does."""
        if self.is_stuck:
            return "the loop is stuck"
        if self.outage is not None:
            return f"the database does not serve: {self.outage}"
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


def _nobody_listens() -> None:
    """Unless a supervisor of the process wants to hear of turns."""
