"""The end that comes whatever jobs, threads and databases do: the process is bounded in time once it was asked to stop.

What could not be given back by then is rescued by another worker, as after a crash.
"""

import os
import threading

import structlog

log = structlog.get_logger()

EXIT_CODE = 1
"""Neither clean nor to be held back: whoever supervises this process may start it again."""


class LastResort:
    """Ends the process at the earliest deadline it was given, unless `disarm` comes first. From any thread."""

    def __init__(self) -> None:
        self._timers: list[threading.Timer] = []

    def arm(self, seconds: float) -> None:
        """Not later than so many seconds from now."""
        timer = threading.Timer(seconds, _leave, (seconds,))
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def disarm(self) -> None:
        """The process ends by itself."""
        for timer in self._timers:
            timer.cancel()


def _leave(seconds: float) -> None:
    log.error("worker.forced_exit", after_seconds=seconds)
    os._exit(EXIT_CODE)
