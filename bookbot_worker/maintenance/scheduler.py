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
from shared.schedules import due_schedules, seconds_to_next_tick, tick

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
        with Session(asking(self._engine)) as session:
            due = due_schedules(session, self._job_types)
        for name in due:
            with Session(self._engine) as session, session.begin():
                jobs = tick(session, name)
                reach("tick.sent")
            if jobs:
                log.info("schedule.ticked", schedule=name, jobs=len(jobs))
        with Session(asking(self._engine)) as session:
            self._seconds = seconds_to_next_tick(session, self._job_types)

    def pause(self) -> float:
        """Until the next tick, if that is near."""
        longest = super().pause()
        return longest if self._seconds is None else min(max(self._seconds, SHORTEST_PAUSE), longest)
