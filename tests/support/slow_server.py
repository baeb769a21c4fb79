"""A local HTTP server that answers when it is told to: stands for an LLM that takes its time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SlowServer(ThreadingHTTPServer):
    """Counts the requests that wait; `answer` lets all of them go."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.waiting = 0
        self.lock = threading.Lock()
        self.answer = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, SlowServer)
        with server.lock:
            server.waiting += 1
        server.answer.wait(60)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Once upon a time")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gives it
        """Say nothing."""


@contextmanager
def slow_server() -> Iterator[SlowServer]:
    """The server, running in a thread."""
    server = SlowServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.answer.set()
        server.shutdown()
        server.server_close()
        thread.join()
