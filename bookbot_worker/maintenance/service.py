"""A thread that does one thing again and again."""

import random
import threading
from abc import ABC, abstractmethod
from typing import ClassVar

import structlog

log = structlog.get_logger()

JITTER = 0.1
"""Part of the interval by which each turn comes earlier, at random, so that many workers do not move in step."""


class Service(ABC):
    """Calls `run_once` every `interval` seconds, the first time at once. What it raises is logged and ends nothing."""

    name: ClassVar[str]

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._nudged = threading.Event()
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    @abstractmethod
    def run_once(self) -> None:
        """The service's one duty."""

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """End after the turn in progress; wait for that at most so long."""
        self._is_stopped = True
        self._nudged.set()
        if self._thread is not None:
            self._thread.join(timeout=seconds)

    def nudge(self) -> None:
        """Take the next turn now. From any thread."""
        self._nudged.set()

    def pause(self) -> float:
        """Seconds to the next turn."""
        return self.interval * (1 - JITTER * random.random())  # noqa: S311 - spreads load, protects nothing

    def _run(self) -> None:
        while not self._is_stopped:
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 - a service's boundary: it must not die of one bad turn
                log.warning("service.failed", service=self.name, reason=f"{type(error).__name__}: {error}"[:500])
            self._nudged.wait(self.pause())
            if not self._is_stopped:
                self._nudged.clear()
