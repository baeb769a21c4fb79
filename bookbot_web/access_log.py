"""The access log, and how the server's log looks: by structlog, for people on a terminal, JSON for journald.

What logs here is the standard library's logging, uvicorn's included; structlog only writes it. So an application that
is served by another program (gunicorn) logs as that program is set up to.
"""

import logging
import sys
import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookbot_web.middleware import client_of, own_path
from shared.settings import Settings
from shared.text import visible

SILENT = frozenset({"/api/health", "/api/health/live"})
"""Asked every few seconds by whoever watches over the server; not logged."""


log = logging.getLogger(__name__)


def configure_logging(settings: Settings) -> None:
    """Send what this process logs to stderr, in the format and from the level the settings ask for."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    chain: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    writers: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *writers],
        )
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # which says at every look what it is looking at


class AccessLog:
    """One line for each request, when it has been answered: no query, which may hold what was searched for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note how it was answered."""
        if scope["type"] != "http" or own_path(scope) in SILENT:
            return await self._app(scope, receive, send)
        began, status, sent = time.monotonic(), 0, 0

        async def noting(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            took = round((time.monotonic() - began) * 1000, 1)
            request = {"method": scope["method"], "path": visible(scope["path"][:500]), "client": client_of(scope)}
            log.info("request", extra=request | {"status": status, "bytes": sent, "ms": took})
