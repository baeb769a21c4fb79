"""The tail: the one thread of this process that follows the database, however many people watch.

It holds a connection only while there are viewers. It looks twice a second, sooner after a hint; on SQLite, which can
tell, only when something was written. When the database is away it says so once, and comes back by itself.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from bookbot_web.live.looking import OTHERS_SECONDS, look_at_jobs, look_at_lists
from bookbot_web.live.pulse import Pulse
from bookbot_web.live.source import Source
from bookbot_web.live.watches import JobNews, ListNews, Wanted
from shared.outages import reason

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks, where no hint comes."""

REST_SECONDS = 0.1
"""Between two looks, however many hints come."""

IDLE_SECONDS = 20.0
"""So long the connection is kept when the last viewer has left: people go from page to page."""

AWAY = "the database does not answer; what you see may be out of date"

News = Sequence[JobNews | ListNews]


class Tail:
    """`wanted` says what to look at, `tell` and `tell_trouble` pass on what was seen; both return when it is done."""

    def __init__(
        self,
        source: Source,
        wanted: Callable[[], Wanted],
        tell: Callable[[News], None],
        tell_trouble: Callable[[str | None], None],
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._tell = tell
        self._tell_trouble = tell_trouble
        self._pulse = Pulse()
        self._is_closed = False
        self._failures = 0
        # A daemon: a database that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="live-tail", daemon=True)

    def start(self) -> None:
        """Begin to follow, as soon as somebody watches."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to look at."""
        self._pulse.wake()

    def close(self) -> None:
        """End, at the latest when the statement in progress is over; that is not waited for."""
        self._is_closed = True
        self._pulse.wake()
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        while not self._is_closed:
            wanted = self._wanted()
            if not wanted:
                self._rest()
                continue
            try:
                self._source.connect()
                self._look(wanted)
            except Exception as error:  # noqa: BLE001 - a thread's boundary: one bad look must not end the tail
                self._fail(error)
        self._source.close()
        self._pulse.close()

    def _look(self, wanted: Wanted) -> None:
        began = time.monotonic()
        self._source.has_changed()  # what comes from now on is looked at once more
        with self._source.session() as session:
            jobs = look_at_jobs(session, wanted.jobs, began)
            lists = look_at_lists(session, wanted.lists)
        if self._failures:
            self._failures = 0
            log.warning("the database answers again")
            self._tell_trouble(None)
        if jobs or lists:
            self._tell([*jobs, *lists])
        if not any(news.has_more for news in jobs):
            self._wait(began, wanted)
            self._breathe(began)

    def _wait(self, began: float, looked_at: Wanted) -> None:
        """Until there may be something to see."""
        if self._source.tick is None:
            if self._pulse.wait(began + LOOK_SECONDS - time.monotonic(), self._source.fileno()):
                self._source.has_changed()
            return
        while self._wanted() == looked_at and time.monotonic() < began + OTHERS_SECONDS and not self._is_closed:
            self._pulse.wait(self._source.tick)
            if self._source.has_changed():
                return

    def _breathe(self, began: float) -> None:
        """However many hints come, and however many viewers."""
        while (left := began + REST_SECONDS - time.monotonic()) > 0 and not self._is_closed:
            self._pulse.wait(left)

    def _rest(self) -> None:
        """Nobody watches."""
        self._pulse.wait(IDLE_SECONDS)
        if not self._wanted() and not self._is_closed:
            self._source.close()
            self._pulse.wait(None)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, SQLAlchemyError | psycopg.Error):
            log.error("live: a look failed", exc_info=error)
        elif not self._failures:
            log.warning("the database does not answer: %s", reason(error))
        self._failures += 1
        self._source.close()
        self._tell_trouble(AWAY)
        self._pulse.wait(min(LOOK_SECONDS * 2**self._failures, 5.0))
