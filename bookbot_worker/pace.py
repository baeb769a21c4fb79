"""How often the loop asks the database: soon enough for nobody to notice, but not for every single job. Pure."""

import math
from collections.abc import Callable

LEAST = 0.1
"""Seconds between two looks, however many hints come: an enqueue is one too, and there may be thousands a second."""


class Pace:
    """When the next look is due. `clock` is in seconds; `is_hinted` until the look that follows a hint."""

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._looked_at = -math.inf
        self.is_hinted = False

    def hint(self) -> None:
        """Something may have changed."""
        self.is_hinted = True

    def take_turn(self) -> bool:
        """Whether to look now; it then counts as done."""
        if self.seconds_left() > 0:
            return False
        self._looked_at, self.is_hinted = self._clock(), False
        return True

    def seconds_left(self) -> float:
        """Until the next look."""
        interval = min(LEAST, self._interval) if self.is_hinted else self._interval
        return max(self._looked_at + interval - self._clock(), 0.0)


WORTH = 8
"""A claim is worth its transaction when so many-th of the slots are free."""

HOLD_BACK = 0.02
"""Seconds that less than that may stay free while the queue is full, for others to join them in one claim."""


class ClaimPace:
    """Whether to claim now. While jobs are there for all who ask, a claim for each slot that falls free is a waste.

    It took 60 % of the worker's time where 100 jobs of a few milliseconds ran side by side. After a claim that found
    less than it asked for, the next one is not held back: what comes is to be picked up at once.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._claimed_at = -math.inf
        self._was_full = False
        self._holds_back = False

    def is_worth(self, free: int, slots: int) -> bool:
        """Whether `free` of so many slots are worth a claim now."""
        is_soon = self._clock() < self._claimed_at + HOLD_BACK
        self._holds_back = self._was_full and is_soon and free * WORTH < slots
        return not self._holds_back

    def claimed(self, *, is_full: bool) -> None:
        """A claim has been made; `is_full`: it found as many jobs as it asked for."""
        self._claimed_at, self._was_full = self._clock(), is_full

    def seconds_left(self) -> float:
        """Until a claim that was held back; for ever where none was."""
        return max(self._claimed_at + HOLD_BACK - self._clock(), 0.0) if self._holds_back else math.inf
