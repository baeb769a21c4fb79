"""The threads that run jobs: a fixed number of slots, each a thread made when first needed.

Not `concurrent.futures`: its threads are joined at interpreter exit, so one job that never returns would keep
a stopped worker alive for ever. These are daemon threads; a shutdown waits for them as long as it wants to.

Of a batch one thread is woken, not all of them: it calls the next one when it takes an item, and goes on with the item
after that if its own was done before the other arrived. So jobs that wait run side by side at once (each hands over as
soon as it blocks), and jobs that do not share a few threads: waking one for each took half of a no-op job's time.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

SAY_AFTER = 0.002
"""Seconds at most that an end is kept back while its thread goes on with the next item."""


class Slots(Generic[Item]):
    """Runs `work(item)` for every item given, at most `size` at a time. `work` must not raise.

    `rest` is called when there are ends to look at: not after each, but once nothing is left to begin, or it has been
    a while. The owner counts what it gives and what comes back; this class only keeps threads.
    """

    def __init__(self, size: int, work: Callable[[Item], None], rest: Callable[[], None] = lambda: None) -> None:
        self.size = size
        self._work = work
        self._rest = rest
        self._items: deque[Item] = deque()
        self._idle: list[threading.Lock] = []
        self._count = 0
        self._is_coming = False
        self._is_closed = False
        self._unsaid_since: float | None = None
        self._lock = threading.Lock()

    def give(self, items: list[Item]) -> None:
        """Start `items`.

        Where the system has no thread to give, they wait for those there are, and for the next call.
        """
        with self._lock:
            self._items.extend(items)
        self._call_another()

    def close(self) -> None:
        """Let every idle thread end; busy ones end after their item."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for seat in idle:
            seat.release()

    def _call_another(self) -> None:
        """Have one more thread come for items, unless one is on its way: it will call the next."""
        with self._lock:
            if self._is_coming or not self._items or not (self._idle or self._count < self.size):
                return
            self._is_coming = True
            if self._idle:
                self._idle.pop().release()
                return
            self._count += 1
            name = f"slot-{self._count}"
        try:
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        except RuntimeError:
            with self._lock:
                self._is_coming = False
                self._count -= 1

    def _serve(self) -> None:
        seat = threading.Lock()
        seat.acquire()
        has_come = True
        while True:
            with self._lock:
                self._is_coming = self._is_coming and not has_come
                has_come = False
                item = self._items.popleft() if self._items else None
                is_more = bool(self._items)
                if item is None:
                    if self._is_closed:
                        return
                    self._idle.append(seat)
            self._say(is_more)
            if item is None:
                seat.acquire()
                has_come = True
                continue
            if is_more:
                self._call_another()
            self._work(item)
            if self._unsaid_since is None:
                self._unsaid_since = time.monotonic()

    def _say(self, is_more: bool) -> None:
        since = self._unsaid_since
        if since is not None and not (is_more and time.monotonic() < since + SAY_AFTER):
            self._unsaid_since = None
            self._rest()
