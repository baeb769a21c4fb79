"""The threads that run jobs: a fixed number of slots, each a thread made when first needed.

Not `concurrent.futures`: its threads are joined at interpreter exit, so one job that never returns would keep
a stopped worker alive for ever. These are daemon threads; a shutdown waits for them as long as it wants to.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Slots(Generic[Item]):
    """Runs `work(item)` for every item given, at most `size` at a time. `work` must not raise.

    The owner counts what it gives and what comes back; this class only keeps threads.
    """

    def __init__(self, size: int, work: Callable[[Item], None]) -> None:
        self.size = size
        self._work = work
        self._items: SimpleQueue[Item | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def give(self, items: list[Item], busy: int) -> None:
        """Start `items`; `busy` is how many of those given before are not finished yet.

        Where the system has no thread to give, they wait for those there are, and for the next call.
        """
        for item in items:
            self._items.put(item)
        for _ in range(min(self.size, busy + len(items)) - len(self._threads)):
            thread = threading.Thread(target=self._serve, name=f"slot-{len(self._threads) + 1}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return
            self._threads.append(thread)

    def close(self) -> None:
        """Let every idle thread end; busy ones end after their item."""
        for _ in self._threads:
            self._items.put(None)

    def _serve(self) -> None:
        while (item := self._items.get()) is not None:
            self._work(item)
