"""`run --until-empty`: whether anything is left to do, and for what the worker waits."""

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.queue.backlog import Left, anything_left
from bookbot_worker.queue.candidates import Claimant

log = structlog.get_logger()


class UntilEmpty:
    """Looks, and says in the log when it begins to wait for another job."""

    def __init__(self) -> None:
        self._waits_for: Left | None = None

    def is_reached(self, engine: Engine, claimant: Claimant) -> bool:
        """Whether no job this worker could run is left; not while the database is away."""
        try:
            left = anything_left(engine, claimant)
        except SQLAlchemyError:
            return False
        if left is not None and left != self._waits_for:
            log.info("worker.waits", job_id=left.job_id, runs_on=left.worker_id)
        self._waits_for = left
        return left is None
