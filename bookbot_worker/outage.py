"""Whether the database is away, and how long to wait before it is asked again."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.condition import Condition
from bookbot_worker.retry import outage_delay
from shared.outages import reason

log = structlog.get_logger()


class Outage:
    """Counts failures in a row; says in the log when an outage begins, goes on and ends."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._tries = 0

    def note(self, error: SQLAlchemyError) -> float:
        """The database did not do what it was asked. Returns the seconds to wait."""
        self._tries += 1
        self._condition.meter.database_failed(self._tries)
        delay = outage_delay(self._tries)
        self._condition.outage = reason(error)
        log.warning(
            "database.unreachable",
            reason=self._condition.outage,
            tries=self._tries,
            next_in_seconds=round(delay, 1),
        )
        return delay

    def note_end(self) -> None:
        """It did."""
        if self._tries:
            log.info("database.back", tries=self._tries)
            self._tries = 0
            self._condition.outage = None
