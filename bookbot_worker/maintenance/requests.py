"""Carries out what the web asks for. Runs in every worker; whoever locks the job first does it.

Woken by the loop: at a hint of the database, which comes with the request's commit, and, where hints get lost, by the
beat's answer. So it asks the database nothing while nothing happens.
"""

import structlog
from sqlalchemy import Engine

from bookbot_worker.maintenance.service import Service
from bookbot_worker.queue.requests import BATCH, asked_for, carry_out

log = structlog.get_logger()

SHORTEST_PAUSE = 0.05
"""Seconds between two looks: hints come with every job that is enqueued, too."""

LONGEST_PAUSE = 3600.0


class Requests(Service):
    """`look` has it look, soon."""

    name = "requests"

    def __init__(self, engine: Engine) -> None:
        super().__init__(LONGEST_PAUSE)
        self._engine = engine
        self._has_looked = False
        self._is_hinted = True

    def look(self) -> None:
        """There may be a request. From any thread; cheap."""
        self._is_hinted = True
        if not self._has_looked:
            self.nudge()

    def run_once(self) -> None:
        """Carry out all there is, where there may be something."""
        self._has_looked = self._is_hinted
        if not self._has_looked:
            return
        self._is_hinted = False
        while job_ids := asked_for(self._engine):
            for done in carry_out(self._engine, job_ids):
                if done.refusal is None:
                    log.info("request.carried_out", job_id=done.job_id, what=done.what)
                else:
                    log.warning("request.refused", job_id=done.job_id, what=done.what, reason=done.refusal)
            if len(job_ids) < BATCH:
                return

    def pause(self) -> float:
        """After a look a short one, in which hints are gathered; else until the next hint."""
        return SHORTEST_PAUSE if self._has_looked or self._is_hinted else super().pause()
