"""What a worker tells its supervisor over HTTP: `/livez`, that the process answers, `/readyz`, that it can do its work,
and `/metrics`, its figures.

Owns the server, on the loopback interface unless it is told otherwise, and nothing of what is told. The server is the
standard library's: to answer one question every few seconds, a worker must not carry a web framework and its loop. It
gives every client a few seconds and has few of them at a time, so that probes that hang cannot take the threads and
descriptors of jobs.
"""

import contextlib
import json
import math
import socket
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from shared.errors import ConfigurationError
from shared.views import jsonable

HOST = "127.0.0.1"

JSON = "application/json"

CLIENT_SECONDS = 5.0
"""How long a client may take from its connection to its last word."""

MOST_CLIENTS = 32
"""Who comes while so many are served is sent away. One whose answer hangs is counted until it has got it."""

LOOK_SECONDS = 0.5
"""How often clients are looked at whose time may be over; also the longest that `close` takes."""

Trouble = Callable[[], str | None]
Status = Callable[[], dict[str, Any]]
Figures = Callable[[str], tuple[str, bytes]]


class HealthServer:
    """Answers GET and HEAD for `/livez`, `/readyz` and, where there are figures, `/metrics`, in threads of its own.

    `trouble` says why the worker can do no work, None while it can; `status` gives details for `/readyz`, which may be
    whatever a view may hold; `figures` returns the media type and the text of `/metrics` for an Accept header. All are
    called in a thread of a client, several at once.
    """

    def __init__(
        self, port: int, trouble: Trouble, status: Status, figures: Figures | None = None, host: str = HOST
    ) -> None:
        self._host, self._port = host, port
        self._told = (trouble, status, figures)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is open; before `start`, the one that was asked for (0: any that is free)."""
        return self._server.server_port if self._server else self._port

    def start(self) -> None:
        """Open the port and answer. Raises ConfigurationError where it cannot be opened."""
        try:
            self._server = _Server(self._host, self._port, *self._told)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            where = f"port {self._port}" if self._host == HOST else f"port {self._port} of {self._host}"
            raise ConfigurationError(f"BOOKBOT_HEALTH_PORT: {where} cannot be opened: {reason}") from error
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(LOOK_SECONDS,), name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port and every connection. Does nothing where it was not started or is closed."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up(math.inf)
        self._thread = None


class _Server(ThreadingHTTPServer):
    """A thread for every client, with a limit to their number and to their time."""

    daemon_threads = True
    request_queue_size = MOST_CLIENTS
    allow_reuse_port = False  # two workers on one port would answer for each other

    def __init__(self, host: str, port: int, trouble: Trouble, status: Status, figures: Figures | None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.trouble, self.status, self.figures = trouble, status, figures
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = threading.Lock()  # an overdue client is hung up on from another thread than its own
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's question to the resolver for our own name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Whether there is room for one more client."""
        with self._lock:
            return len(self._deadlines) < MOST_CLIENTS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the client's thread, and its time."""
        with self._lock:
            self._deadlines[request] = time.monotonic() + CLIENT_SECONDS
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The client's thread is done with it."""
        with self._lock:
            self._deadlines.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called by the server's loop after every look."""
        self.hang_up(time.monotonic())

    def hang_up(self, now: float) -> None:
        """End what clients whose time was over at `now` say and hear; their threads wake up and leave.

        A timeout of the socket would not do: it begins anew with every byte that a client sends.
        """
        with self._lock:
            for request, deadline in self._deadlines.items():
                if deadline <= now:
                    with contextlib.suppress(OSError):  # the client was faster
                        request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news; anything else is a fault of ours, which the base class prints."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def readiness(self) -> tuple[HTTPStatus, bytes]:
        """The answer to `/readyz`. Never raises: what cannot be told is 500 and the name of the exception's type."""
        try:
            reason = self.trouble()
            verdict = {"status": "ready"} if reason is None else {"status": "not ready", "reason": reason}
            body = _encoded(verdict | self.status() | verdict)  # first to be read first, last to be the last word
        except Exception as error:  # noqa: BLE001 - the supervisor must hear that something is wrong
            return HTTPStatus.INTERNAL_SERVER_ERROR, _encoded({"status": "error", "reason": type(error).__name__})
        return (HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE), body

    def page(self, figures: Figures, accept: str) -> tuple[HTTPStatus, bytes, str]:
        """The answer to `/metrics`. Never raises, as `readiness`."""
        try:
            media_type, text = figures(accept)
        except Exception as error:  # noqa: BLE001 - as in `readiness`
            fault = {"status": "error", "reason": type(error).__name__}
            return HTTPStatus.INTERNAL_SERVER_ERROR, _encoded(fault), JSON
        return HTTPStatus.OK, text, media_type


class _Handler(BaseHTTPRequestHandler):
    """One client, one question, one answer. Lines and headers are bounded by the base class."""

    server: _Server
    default_request_version = "HTTP/1.0"  # the base class's is 0.9, which knows no status and no headers

    def do_GET(self) -> None:
        """Answer `/livez`, `/readyz` and `/metrics`, each with or without a query."""
        match self.path.partition("?")[0]:
            case "/livez":
                self._answer(HTTPStatus.OK, _encoded({"status": "alive"}))
            case "/readyz":
                self._answer(*self.server.readiness())
            case "/metrics" if self.server.figures is not None:
                self._answer(*self.server.page(self.server.figures, self.headers.get("Accept", "")))
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - the name the base class looks for

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What is wrong with the question, in the standard's words; nothing of the question is repeated."""
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:  # the base class's word for a method that has no do_… here
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self._answer(status, _encoded({"status": "error", "reason": status.phrase}))

    def finish(self) -> None:
        """Let the client hang up first: closing with something unread would reset the connection, our answer lost."""
        super().finish()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(4096):
                pass

    def version_string(self) -> str:
        """The header `Server`: no versions."""
        return "bookbot-worker"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gives it
        """Say nothing: a question every few seconds is no event."""

    def _answer(self, status: HTTPStatus, body: bytes, media_type: str = JSON) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(jsonable(body), allow_nan=False).encode()
