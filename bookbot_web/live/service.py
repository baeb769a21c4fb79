"""The live part of one application: its hub, its tail and its feeds, put together. Building it does no I/O."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from bookbot_web.database import Database
from bookbot_web.live.feeds import Feeds
from bookbot_web.live.hub import Hub
from bookbot_web.live.source import Source
from bookbot_web.live.tail import Tail
from shared.settings import Settings

TOLD_WITHIN = 10.0
"""Seconds the tail waits until the event loop has passed its news on; so news cannot pile up."""

CUT_AFTER = 1.0
"""Seconds the streams have for their last event when the process ends."""


class Live:
    """In `app.state.live`: `start` when the application starts, `close` when it is told to end, `stop` at the end."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._tail: Tail | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.hub = Hub(settings.web_streams, self._wake)
        self.feeds = Feeds(self.hub, database)

    def start(self) -> None:
        """Within the event loop: be ready to follow the database."""
        self._loop = asyncio.get_running_loop()
        tell, tell_trouble = self._in_loop(self.hub.tell), self._in_loop(self.hub.tell_trouble)
        self._tail = Tail(Source(self._settings), self.hub.wanted, tell, tell_trouble)
        self._tail.start()

    def close(self) -> None:
        """Within the event loop: end every stream, those that are not read after a second. Again changes nothing."""
        self.hub.close()
        if self._loop is not None:
            self._loop.call_later(CUT_AFTER, self.hub.cut_all)

    def stop(self) -> None:
        """Let go of the database."""
        if self._tail is not None:
            self._tail.close()

    def _wake(self) -> None:
        if self._tail is not None:
            self._tail.wake()

    def _in_loop(self, tell: Callable[[Any], None]) -> Callable[[Any], None]:
        """`tell` for the tail's thread: done by the event loop, and waited for."""

        def pass_on(news: Any) -> None:
            is_done = threading.Event()

            def act() -> None:
                try:
                    tell(news)
                finally:
                    is_done.set()

            loop = self._loop
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(act)
                is_done.wait(TOLD_WITHIN)

        return pass_on
