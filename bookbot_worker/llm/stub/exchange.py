"""One request and its answer on the wire: knows at once when the client is gone, or the stub must end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Receive, Scope, Send

LONGEST_BODY = 64 * 1024 * 1024


class Gone(Exception):
    """Nobody reads the answer any more."""


class Exchange:
    """What is left unfinished when the application returns, the server cuts off."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._receive = receive
        self._send = send
        self._gone = asyncio.Event()

    @property
    def key(self) -> str:
        """The bearer token, or ""."""
        return str(self.headers.get("authorization", "")).removeprefix("Bearer ")

    async def body(self) -> bytes:
        """All of it. Raises Gone where the client leaves before."""
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > LONGEST_BODY:
                raise Gone
            if not message.get("more_body"):
                return b"".join(parts)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Inside, `pause` and `send` notice that the client has left. After the body was read."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.leave()

    def leave(self) -> None:
        """Let whoever answers know that it is over."""
        self._gone.set()

    async def pause(self, seconds: float | None) -> None:
        """Wait; None: for ever. Raises Gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        if self._gone.is_set():
            raise Gone

    async def open(self, status: int, content_type: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send the status and the headers."""
        named = [("content-type", content_type), *headers]
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in named]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send(self, part: bytes, *, is_last: bool = False) -> None:
        """Send a part of the body. Raises Gone."""
        if self._gone.is_set():
            raise Gone
        await self._send({"type": "http.response.body", "body": part, "more_body": not is_last})

    async def send_event(self, chunk: dict[str, Any]) -> None:
        """One event of a stream."""
        await self.send(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    async def send_json(self, document: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> None:
        """A whole answer."""
        await self.open(status, "application/json", headers)
        await self.send(json.dumps(document).encode(), is_last=True)
