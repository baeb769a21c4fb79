"""How often one client may: a bucket of tokens each, in memory, of this process alone.

Against guessing and runaway scripts; who has a thousand addresses is the proxy's business. Clients beyond the newest
10,000 are forgotten, so that memory is bounded, too.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_CLIENTS = 10_000


class Rate:
    """At most `burst` at once, and `per_second` for long."""

    def __init__(self, burst: float, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def seconds_to_wait(self, client: str) -> float:
        """Takes a token: 0 where there was one, else in how many seconds there will be."""
        with self._lock:
            now = self._clock()
            left, at = self._buckets.pop(client, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._per_second)
            is_allowed = left >= 1
            self._buckets[client] = (left - is_allowed, now)
            if len(self._buckets) > MOST_CLIENTS:
                self._buckets.popitem(last=False)
            return 0.0 if is_allowed else (1 - left) / self._per_second
