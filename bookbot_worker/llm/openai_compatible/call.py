"""One answer on its way from the loop's thread to the job's: pieces are gathered, so that both are woken rarely."""

import asyncio
import threading
from collections import deque

from bookbot_worker.llm.client import Completion, Listener

TICK = 0.1
"""Seconds between two deliveries: 200 streams at 50 tokens a second would otherwise wake threads 10,000 times."""

LOOK = 0.5
"""Seconds between two looks whether the answer is still wanted, as `Listener` promises."""


class Call:
    """Written by the loop (`put`, `finished`), read by the thread that waits (`follow`)."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._bell = threading.Event()
        self._task: asyncio.Task[Completion] | None = None
        self._last_ring = 0.0
        self._next_ring: asyncio.TimerHandle | None = None

    def put(self, piece: str) -> None:
        """On the loop: one more piece of text."""
        self._pieces.append(piece)
        if self._next_ring is None:
            loop = asyncio.get_running_loop()
            self._next_ring = loop.call_at(max(self._last_ring + TICK, loop.time()), self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next_ring, self._last_ring = None, loop.time()
        self._bell.set()

    def finished(self, task: asyncio.Task[Completion]) -> None:
        """On the loop: nothing more will come."""
        if self._next_ring is not None:
            self._next_ring.cancel()
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain where nobody waits any more
        self._task = task
        self._bell.set()

    def follow(self, listener: Listener) -> asyncio.Task[Completion]:
        """Hand on what comes until the answer is over; returns the task that ended. Raises what the listener raises."""
        while True:
            listener.check()
            self._bell.wait(LOOK)
            self._bell.clear()
            task = self._task  # before the pieces: when it has ended, they are all there
            if text := self._take():
                listener.on_text(text)
            if task is not None:
                return task

    def _take(self) -> str:
        taken = []
        while self._pieces:
            taken.append(self._pieces.popleft())
        return "".join(taken)
