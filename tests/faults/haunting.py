"""Chance at work on a fleet: its workers are killed or frozen at random moments, and started again."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.settings import Settings
from tests.support.fleet import Fleet, Worker


@dataclass
class Haunting:
    """`kills` and `freezes` are still to be done. A worker is frozen for longer than its lease, of `lease` seconds."""

    fleet: Fleet
    settings: Settings
    kills: int
    freezes: int
    lease: float = 2.0
    is_over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def left(self) -> int:
        """How much harm is still to be done."""
        return self.kills + self.freezes

    def haunt(self, dice: random.Random) -> None:
        """Be the supervisor of one place where a worker runs, and its bad luck, until nothing is left to be done."""
        while self.left > 0 and not self.is_over.is_set():
            worker = self._start()
            worker.wait_for_event("worker.started", 60)
            while not self._strike(worker, dice):
                pass

    def _start(self) -> Worker:
        with self._lock:
            return self.fleet.start("--concurrency", "4", settings=self.settings)

    def _strike(self, worker: Worker, dice: random.Random) -> bool:
        """Freeze it for a while, or kill it; returns whether it is dead."""
        self.is_over.wait(dice.uniform(0.1, 1.2))
        with self._lock:
            is_freeze = dice.random() * self.left < self.freezes
            if is_freeze:
                self.freezes -= 1
            elif self.kills > 0:
                self.kills -= 1
        if not is_freeze:
            worker.kill()
            return True
        worker.freeze()
        self.is_over.wait(self.lease + dice.uniform(0.3, 1.5))
        worker.cont()
        return False


@contextmanager
def haunted(haunting: Haunting, places: int, seed: int) -> Iterator[Haunting]:
    """In the block, so many places are haunted at the same time; at its end no worker is left there."""
    with ThreadPoolExecutor(places) as pool:
        ghosts = [pool.submit(haunting.haunt, random.Random(seed + place)) for place in range(places)]
        try:
            yield haunting
        finally:
            haunting.is_over.set()
    for ghost in ghosts:
        ghost.result()
