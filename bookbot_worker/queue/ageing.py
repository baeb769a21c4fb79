"""So that low priorities are not starved for ever: of every 20 jobs a worker claims, one comes from a lower level.

The levels below the highest take turns, each its oldest job: the search begins in the claim's index where the last such
search ended, so it costs what any claim costs, needs no index of its own, and changes no row. Raising the priority of
what waits long would rewrite the backlog again and again.
"""

import time
from collections.abc import Callable

from sqlalchemy import Engine

from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from shared.models import Job

EVERY = 20
"""Claimed jobs among which one comes from a lower level, if there is one."""

LOOK_AGAIN = 1.0
"""Seconds until the next look where no level had anything: where all jobs are alike it must cost nothing."""


class Ageing:
    """One worker's turns: which level is next, and when. Kept in memory: a restart begins at the top again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._claimed = 0
        self._top: int | None = None
        self._level: int | None = None
        self._not_before = 0.0

    def next_below(self) -> int | None:
        """The next job is to be of a lower priority than this; None: it is nobody's turn but the first's."""
        if self._claimed < EVERY - 1 or self._clock() < self._not_before:
            return None
        return self._top if self._level is None else self._level

    def claimed(self, jobs: list[Job]) -> None:
        """These came in the ordinary order."""
        self._claimed += len(jobs)
        if jobs:
            self._top = jobs[0].priority

    def claimed_below(self, jobs: list[Job]) -> None:
        """These, one or none, came from a lower level."""
        if jobs:
            self._claimed, self._level = 0, jobs[0].priority
        elif self._level is None:
            self._not_before = self._clock() + LOOK_AGAIN
        else:
            self._level = None  # below the lowest there is nothing: begin again under the top


def claim_in_turn(
    engine: Engine, claimant: Claimant, limit: int, ageing: Ageing, *, runs_a_suspect: bool = False
) -> list[Job]:
    """As `claim`, but when a lower level has its turn the first job comes from there."""
    aged: list[Job] = []
    while not aged and (below := ageing.next_below()) is not None:  # twice, where the turns begin again
        aged = claim(engine, claimant, 1, runs_a_suspect=runs_a_suspect, below=below)
        ageing.claimed_below(aged)
    if len(aged) == limit:
        return aged
    runs_a_suspect = runs_a_suspect or any(job.losses > 1 for job in aged)
    jobs = claim(engine, claimant, limit - len(aged), runs_a_suspect=runs_a_suspect)
    ageing.claimed(jobs)
    return aged + jobs
