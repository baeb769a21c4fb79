"""What one viewer has yet to be sent: bounded, so that whoever does not read costs nobody anything.

Belongs to the event loop; nothing here is for other threads.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from bookbot_web.live.events import Event, Item, farewell

BUFFER_BYTES = 512 * 1024
"""Of what waits for one viewer. The bytes themselves are shared by all viewers of the same job."""

TOO_SLOW = "you read more slowly than there is to tell; connect again"


class Mailbox:
    """One viewer's queue. `cursor`: what the lists he watches looked like when he was last told, None: never yet.

    `cut` breaks his connection off, whether he reads or not.
    """

    def __init__(self, limit: int = BUFFER_BYTES) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        self._size = 0
        self._arrived = asyncio.Event()
        self.is_closed = False
        self.cursor: str | None = None
        self.cut: Callable[[], object] = lambda: None

    @property
    def has_more(self) -> bool:
        """Whether something waits."""
        return bool(self._items)

    def put(self, item: Item) -> None:
        """Add one. Where it would be too much, what waits is thrown away and the stream ends: nothing is lost, the
        viewer comes back with the last id it has read.
        """
        if self.is_closed:
            return
        if self._items and self._size + len(item.data) > self._limit:
            self._items.clear()
            self.close(farewell(TOO_SLOW))
            return
        self._items.append(item)
        self._size += len(item.data)
        self._arrived.set()

    def close(self, last: bytes) -> None:
        """The stream ends after what waits and this event."""
        if not self.is_closed:
            self._items.append(Event(last))
            self.is_closed = True
            self._arrived.set()

    async def take(self, patience: float) -> list[Item]:
        """All that waits; nothing where nothing came within `patience` seconds."""
        if not self._arrived.is_set():
            try:
                async with asyncio.timeout(patience):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        items = list(self._items)
        self._items.clear()
        self._size = 0
        self._arrived.clear()
        return items
