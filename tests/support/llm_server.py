"""A local HTTP server that stands for a language model, and tells a witness who asked it, and who hung up.

A request is a JSON object with `job_id` and `attempt`. Lines of the witness, each with its time at the end:
`request JOB ATTEMPT` before anything else happens, then one of `answered …`, `refused …` and `closed …` (the client
went away).
"""

import contextlib
import json
import select
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.witness import Witness

TEXT = "Once upon a time there was a server that answered when it was told to."
TICK = 0.02
"""Seconds between two looks at a client that is kept waiting."""


class LlmServer(ThreadingHTTPServer):
    """Answers at once, unless it is told to hold or to stream."""

    request_queue_size = 256
    daemon_threads = False  # all of them have ended when the server is closed

    def __init__(self, witness: Witness) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.witness = witness
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.is_closing = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.seconds_a_word = 0.0
        self.trouble = 0

    def refuse(self, status: int) -> None:
        """Answer every request with this HTTP status from now on; 0: as it should be."""
        self.trouble = status

    def hold(self) -> None:
        """Keep every request waiting from now on."""
        self.may_answer.clear()

    def release(self) -> None:
        """Answer those that wait, and all that come."""
        self.may_answer.set()

    def stream(self, seconds_a_word: float) -> None:
        """Send answers word by word from now on; 0: all at once."""
        self.seconds_a_word = seconds_a_word

    def count(self, event: str, *words: object) -> int:
        """How often `request`, `answered` or `closed` was noted, of one job if its id follows."""
        return self.witness.count(event, *words)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed in the middle of a request are what this is for: nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, LlmServer)
        self.close_connection = True
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        who = asked["job_id"], asked["attempt"]
        server.witness.note("request", *who)
        try:
            self._wait_until_released(server)
            if server.trouble:
                self.send_error(server.trouble)
                server.witness.note("refused", *who)
                return
            self._answer(server)
        except ConnectionError:
            server.witness.note("closed", *who)
        else:
            server.witness.note("answered", *who)

    def _answer(self, server: LlmServer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for word in TEXT.split():
            self._watch_client(server, server.seconds_a_word)
            piece = f"{word} ".encode()
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _wait_until_released(self, server: LlmServer) -> None:
        while not server.may_answer.is_set():
            self._watch_client(server, TICK)

    def _watch_client(self, server: LlmServer, seconds: float) -> None:
        """Wait so long. Raises ConnectionError as soon as the client goes away, or the server closes."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        while not readable and seconds > 0 and not server.is_closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], min(seconds, TICK))
            seconds -= TICK
        if server.is_closing.is_set():
            raise ConnectionAbortedError
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gives it
        """Say nothing."""


@contextlib.contextmanager
def llm_server(path: Path) -> Iterator[LlmServer]:
    """The server, running in threads, with its witness at `path`; all of them have ended at the end."""
    server = LlmServer(Witness(path))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": TICK}, name="llm-server")
    thread.start()
    try:
        yield server
    finally:
        server.is_closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
