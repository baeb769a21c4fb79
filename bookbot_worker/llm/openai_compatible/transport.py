"""The gate every request leaves through: to its own host only, with the headers it needs, reading no more than bounded.

The SDK adds headers of its own and of its environment (OPENAI_ORG_ID, OPENAI_CUSTOM_HEADERS), and reads bodies of any
size; what passes here is what is meant to.
"""

from collections.abc import AsyncIterator
from typing import cast

import httpx2

from bookbot_worker.llm.errors import Kind
from bookbot_worker.llm.openai_compatible.answer import Unreadable
from shared.version import __version__

NEEDED = frozenset(
    {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "transfer-encoding"}
)
LONGEST_ERROR = 64 * 1024
"""Bytes of an error's body that are read; the rest is not."""

_ROOM = 256 * 1024
_BYTES_PER_CHARACTER = 12
"""A character outside the basic plane takes twelve bytes in JSON's escapes."""


class Gate(httpx2.AsyncBaseTransport):
    """`key` is sent to `base_url`'s host and port, over its scheme, and nowhere else."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, base_url: str, key: str, limit: int) -> None:
        self._inner = inner
        self._home = _origin(httpx2.URL(base_url))
        self._key = key
        self._event_limit = _BYTES_PER_CHARACTER * limit + _ROOM

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it. Raises Unreadable where it would go elsewhere."""
        if _origin(request.url) != self._home:
            raise Unreadable(Kind.REDIRECTED)
        headers = [(name, value) for name, value in request.headers.items() if name.lower() in NEEDED]
        headers.append(("user-agent", f"bookbot/{__version__}"))
        if self._key:
            headers.append(("authorization", f"Bearer {self._key}"))
        request.headers = httpx2.Headers(headers)
        request.headers["accept-encoding"] = "identity"  # compressed, a small answer can become any size
        response = await self._inner.handle_async_request(request)
        stream = cast(httpx2.AsyncByteStream, response.stream)
        is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        bounded = _Cut(stream) if response.status_code >= 300 else _Events(stream, self._event_limit, is_stream)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=bounded, extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _Cut(httpx2.AsyncByteStream):
    """The beginning of a body."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LONGEST_ERROR
        async for part in self._inner:
            yield part[:left]
            left -= len(part)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Events(httpx2.AsyncByteStream):
    """A body in which nothing is longer than `limit` bytes: in a stream between two blank lines, else altogether.

    Whoever decodes it keeps that much.
    """

    def __init__(self, inner: httpx2.AsyncByteStream, limit: int, is_stream: bool) -> None:
        self._inner = inner
        self._limit = limit
        self._is_stream = is_stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        since, tail = 0, b""
        async for part in self._inner:
            seen = tail + part
            end = max(seen.rfind(b"\n\n"), seen.rfind(b"\r\n\r\n"), seen.rfind(b"\r\r"))
            since = len(seen) - end if end >= 0 and self._is_stream else since + len(part)
            tail = seen[-3:]
            if since > self._limit:
                raise Unreadable(Kind.ANSWER_TOO_LONG)
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
