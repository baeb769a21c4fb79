"""Whether the database is away, and how long to wait before it is asked again."""

import structlog
from sqlalchemy.exc import DBAPIError

from bookbot_worker.retry import outage_delay

log = structlog.get_logger()


class Outage:
    """Counts failures in a row; says in the log when an outage begins, goes on and ends."""

    def __init__(self) -> None:
        self._tries = 0

    def note(self, error: DBAPIError) -> float:
        """The database did not do what it was asked. Returns the seconds to wait."""
        self._tries += 1
        delay = outage_delay(self._tries)
        reason = str(error.orig).strip().split("\n")[0]
        log.warning("database.unreachable", reason=reason, tries=self._tries, next_in_seconds=round(delay, 1))
        return delay

    def note_end(self) -> None:
        """It did."""
        if self._tries:
            log.info("database.back", tries=self._tries)
            self._tries = 0
