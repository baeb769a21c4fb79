"""The server: uvicorn, that can end while streams are open, and can break off clients that do not read.

uvicorn waits for every answer to end when it is told to stop, and an event stream never does (measured: still there
after 25 s). So the streams are ended first.
"""

import asyncio
import resource
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from bookbot_web.live.response import ABORT


class Protocol(H11Protocol):
    """Tells the application how to break its connection off."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.app = partial(_with_abort, self.app, transport.abort)


async def _with_abort(app: ASGIApp, abort: Callable[[], None], scope: Scope, receive: Receive, send: Send) -> None:
    scope["extensions"] = {**scope.get("extensions", {}), ABORT: abort}
    await app(scope, receive, send)


class Server(uvicorn.Server):
    """`end_streams` is called, in the event loop, when the process is told to end."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye to the streams, then wait for all other answers."""
        self._end_streams()
        await super().shutdown(sockets)


def make_server(app: Any, **options: Any) -> Server:
    """The server of `app`; `options` are uvicorn's."""
    allow_many_connections()
    config = uvicorn.Config(app, http=Protocol, server_header=False, timeout_graceful_shutdown=10, **options)
    return Server(config, app.state.live.close)


def allow_many_connections() -> None:
    """A viewer is a descriptor. The usual limit of 1024 is of programs that use select(), which this one does not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
