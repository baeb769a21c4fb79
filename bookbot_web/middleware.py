"""What holds for every request before any route: a bound on the body, and headers that make browsers careful."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 256 * 1024
DRAINED_BYTES = 16 * 1024 * 1024
"""Of a body that is too large, this much is read and dropped, so that the client sees the answer, not a reset."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class BodyLimit:
    """Counts the bytes that arrive, whatever Content-Length says; answers 413 beyond 256 KiB."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counting `receive`."""
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                while message.get("more_body") and received < DRAINED_BYTES:
                    message = await receive()
                    received += len(message.get("body", b""))
                raise HTTPException(413, f"the body is larger than {MAX_BODY_BYTES // 1024} KiB")
            return message

        await self._app(scope, counting if scope["type"] == "http" else receive, send)


class SecurityHeaders:
    """Adds the headers to every answer, where its route has not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the start of the answer gets the headers."""

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                names = {name for name, _ in given}
                message["headers"] = [*given, *(header for header in HEADERS if header[0] not in names)]
            await send(message)

        await self._app(scope, receive, adding)
