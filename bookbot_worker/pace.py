"""How often to look at something that hints may announce: at every interval, soon after a hint, never all the time."""

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
