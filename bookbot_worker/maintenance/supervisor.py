"""The supervisor: has jobs stopped that run too long, and gives up those that do not stop.

A thread of its own, because the loop may be waiting for the very lock that a hung job holds: on SQLite one job that has
sent a write keeps every other writer out (measured: the loop came back after 30 s).
"""

from bookbot_worker.at_work import AtWork
from bookbot_worker.maintenance.service import Service

LONGEST_PAUSE = 0.5
"""Seconds by which a time limit may be overstepped."""

SHORTEST_PAUSE = 0.02


class Supervisor(Service):
    """Looks at the running attempts when the next of their deadlines is due, and at least every half second."""

    name = "supervisor"

    def __init__(self, at_work: AtWork) -> None:
        super().__init__(LONGEST_PAUSE)
        self._at_work = at_work

    def run_once(self) -> None:
        """Enforce what is due."""
        self._at_work.enforce_deadlines()

    def pause(self) -> float:
        """Until the next deadline."""
        return min(max(self._at_work.seconds_to_next_deadline(), SHORTEST_PAUSE), self.interval)
