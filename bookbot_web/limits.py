"""Bounds on what one client may send: how much in a body, and how many changes a minute."""

import re

from fastapi import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookbot_web.auth import SAFE_METHODS
from bookbot_web.middleware import client_of, own_path
from bookbot_web.rates import Rate

MAX_BODY_BYTES = 256 * 1024
MIB = 1024 * 1024
LARGER_BODIES: dict[re.Pattern[str], int] = {
    re.compile(r"/(api/)?books(/new)?"): 2 * MIB,  # a brief and a style
    re.compile(r"/books/[^/]+/covers"): 12 * MIB,  # a picture
}
"""Which routes take more, and how much. Every other takes MAX_BODY_BYTES."""

DRAINED_BYTES = 16 * MIB
"""Of a body that is too large, this much is read and dropped, so that the client sees the answer, not a reset."""


class BodyLimit:
    """Counts the bytes that arrive, whatever Content-Length says; answers 413 beyond what the route takes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counting `receive`."""
        received = 0
        limit = body_limit(own_path(scope)) if scope["type"] == "http" else 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                while message.get("more_body") and received < DRAINED_BYTES:
                    message = await receive()
                    received += len(message.get("body", b""))
                raise HTTPException(413, f"the body is larger than {limit // 1024} KiB")
            return message

        await self._app(scope, counting if scope["type"] == "http" else receive, send)


class WriteLimit:
    """Bounds how often one client may ask for changes; answers 429. `per_minute`: 0 is any number."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self._app = app
        self._rate = Rate(max(20.0, per_minute / 6), per_minute / 60) if per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here, before anything of it is read."""
        is_write = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        if self._rate and is_write and (wait := self._rate.seconds_to_wait(client_of(scope))):
            await too_often(wait)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def body_limit(path: str) -> int:
    """How many bytes a request to `path` may bring."""
    return next((limit for route, limit in LARGER_BODIES.items() if route.fullmatch(path)), MAX_BODY_BYTES)


def too_often(wait: float) -> Response:
    """429, saying when to come again."""
    document = b'{"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": "too many requests"}'
    return Response(document, 429, {"Retry-After": str(int(wait) + 1)}, "application/problem+json")
