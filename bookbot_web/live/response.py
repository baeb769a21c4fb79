"""The answer that does not end: an event stream, sent as long as its client reads.

A client that stops reading is noticed in two ways: its mailbox overflows, or one piece cannot be handed over within
`SEND_SECONDS`. Then its connection is broken off, because closing would wait for what it does not read; our own server
(`bookbot_web/server.py`) gives a handle for that. Other servers close, and keep the socket until the client goes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bookbot_web.live.hub import Hub
from bookbot_web.live.mailbox import Mailbox
from bookbot_web.problems import problem

ABORT = "bookbot.abort"
"""In the scope's extensions: breaks the connection off."""

SEND_SECONDS = 15.0
PIECE_BYTES = 64 * 1024
"""Handed over at once: what a server keeps for a client who does not read is about as much again."""

RETRY_AFTER = "5"

Feed = Callable[[Mailbox], AsyncIterator[bytes]]


class EventStream(Response):
    """`feed` makes what is sent, given the viewer's mailbox. 503 where there are too many streams already."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, feed: Feed) -> None:
        # A proxy (nginx) must not collect the events, nor anybody keep them.
        super().__init__(headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._hub = hub
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the feed ends or the client is gone."""
        mailbox = self._hub.open()
        if mailbox is None:
            answer = problem(503, "too many streams are open; try again later", {"Retry-After": RETRY_AFTER})
            await answer(scope, receive, send)
            return
        sending = asyncio.ensure_future(self._send(mailbox, send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        abort = scope.get("extensions", {}).get(ABORT)
        mailbox.cut = abort or sending.cancel
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(mailbox)
            is_cut = not sending.done() or sending.cancelled() or not sending.result()
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            if is_cut and abort is not None:
                abort()

    async def _send(self, mailbox: Mailbox, send: Send) -> bool:
        """Returns whether all was handed over."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._feed(mailbox)) as feed:  # type: ignore[type-var] # an async generator
            async for data in feed:
                for start in range(0, len(data), PIECE_BYTES):
                    piece = data[start : start + PIECE_BYTES]
                    try:
                        async with asyncio.timeout(SEND_SECONDS):
                            await send({"type": "http.response.body", "body": piece, "more_body": True})
                    except TimeoutError:
                        return False
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
