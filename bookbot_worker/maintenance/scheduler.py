"""The scheduler: turns ticks of schedules that are due into jobs. Runs in every worker; none is special.

It sleeps until the next tick, but never longer than it takes to hear of a new schedule.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker.failpoints import reach
from bookbot_worker.maintenance.service import Service
from shared.database import asking
from shared.schedules import coming_ticks, tick

log = structlog.get_logger()

LONGEST_PAUSE = 15.0
"""Seconds by which the first tick of a new schedule may be late."""

SHORTEST_PAUSE = 0.05


class Scheduler(Service):
    """`job_types`: those this process could enqueue; schedules of others are left to workers that know them."""

    name = "scheduler"

    def __init__(self, engine: Engine, job_types: Sequence[str]) -> None:
        super().__init__(LONGEST_PAUSE)
        self._engine = engine
        self._job_types = job_types
        self._seconds: float | None = None

    def run_once(self) -> None:
        """Deal with every tick that is due, each schedule in a transaction of its own."""
        self._seconds = None
        coming = self._coming()
        due = [name for name, seconds in coming if seconds <= 0]
        for name in due:
            with Session(self._engine) as session, session.begin():
                jobs = tick(session, name)
                reach("tick.sent")
            if jobs:
                log.info("schedule.ticked", schedule=name, jobs=len(jobs))
        coming = self._coming() if due else coming
        self._seconds = coming[0][1] if coming else None

    def pause(self) -> float:
        """Until the next tick, if that is near."""
        longest = super().pause()
        return longest if self._seconds is None else min(max(self._seconds, SHORTEST_PAUSE), longest)

    def _coming(self) -> list[tuple[str, float]]:
        with Session(asking(self._engine)) as session:
            return coming_ticks(session, self._job_types)
