"""What one stream says, from its first byte to its last: first what was missed, then what happens.

The order makes a gap or a double impossible: read the log to its end, then watch, then read what the others had been
told by then; from there on the mailbox has everything, and what is known already is left out by its place.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from bookbot_web.database import Database
from bookbot_web.live.events import BEAT, Event, Item, farewell, log_event, trouble, welcome
from bookbot_web.live.hub import Hub, Lists
from bookbot_web.live.mailbox import Mailbox
from bookbot_web.live.tail import AWAY
from shared.views.watching import Position, lines_after, place_of

BEAT_SECONDS = 15.0
PAGE = 500
PAGE_BYTES = 128 * 1024
"""Lines read at once while a viewer catches up: so many, or about so much. Who does not read holds one page."""

READERS = 8
"""So many viewers catch up at the same time; the others wait, so that pages are not kept from the database."""

LIFE_SECONDS = 1800.0
"""About so long a stream lasts: then the client comes again, and is asked for its right to look again."""

OLD = "this stream has lasted long enough; connect again"


class Feeds:
    """Makes the streams of one process."""

    def __init__(self, hub: Hub, database: Database) -> None:
        self._hub = hub
        self._database = database
        self._readers = asyncio.Semaphore(READERS)

    async def job(self, mailbox: Mailbox, job_id: str, place: Position) -> AsyncIterator[bytes]:
        """The events of a job after `place` in its log, until it has ended and all was said."""
        yield welcome()
        async for told, reached in self._pages(mailbox, job_id, place):
            place = reached
            yield told
        others = self._hub.watch_job(mailbox, job_id, place)
        if others > place:
            async for told, reached in self._pages(mailbox, job_id, place):
                place = reached
                yield told
        async for items in _letters(mailbox):
            yield b"".join(item.beyond(place) for item in items)

    async def lists(self, mailbox: Mailbox, lists: Lists, cursor: str | None) -> AsyncIterator[bytes]:
        """Says when the lists look different from `cursor`."""
        yield welcome()
        self._hub.watch_lists(mailbox, lists, cursor)
        async for items in _letters(mailbox):
            yield b"".join(item.data for item in items)

    async def _pages(self, mailbox: Mailbox, job_id: str, place: Position) -> AsyncIterator[tuple[bytes, Position]]:
        """The log from `place` to its end, however long the database is away meanwhile."""
        is_away, limit = False, PAGE // 10
        while not mailbox.is_closed:
            try:
                async with self._readers:
                    lines = await to_thread.run_sync(self._read, job_id, place, limit, abandon_on_cancel=True)
            except SQLAlchemyError:
                if not is_away:
                    is_away = True
                    yield trouble(AWAY), place
                await self._hub.closes_within(1.0)
                continue
            if is_away:
                is_away = False
                yield trouble(None), place
            if not lines:
                return
            told, place, is_last = log_event(lines), place_of(lines[-1]), len(lines) < limit
            limit = max(1, min(PAGE, PAGE_BYTES * len(lines) // len(told)))
            del lines
            yield told, place
            if is_last:
                return

    def _read(self, job_id: str, place: Position, limit: int) -> list[dict[str, Any]]:
        with self._database.reading() as session:
            return lines_after(session, job_id, place, limit=limit)


async def _letters(mailbox: Mailbox) -> AsyncIterator[Sequence[Item]]:
    """What comes, all that waits at a time, and a beat where nothing does."""
    end = time.monotonic() + LIFE_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311 - not all at once
    while True:
        yield await mailbox.take(BEAT_SECONDS) or _BEAT
        if mailbox.is_closed and not mailbox.has_more:
            return
        if time.monotonic() > end:
            mailbox.close(farewell(OLD))


_BEAT = (Event(BEAT),)
