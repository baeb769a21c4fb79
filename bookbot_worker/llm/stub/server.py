"""The stub behind uvicorn, on this machine only; it says where it listens, and ends at once also with open streams."""

import socket
from collections.abc import Callable

import uvicorn

from bookbot_worker.llm.stub.service import Stub

ADDRESS = "127.0.0.1"
_BACKLOG = 2048


class StubServer(uvicorn.Server):
    """`run_on(listen(port))` serves until `should_exit` is set; `on_ready` gets the base URL."""

    def __init__(self, stub: Stub, on_ready: Callable[[str], object]) -> None:
        super().__init__(
            uvicorn.Config(stub, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        )
        self._stub = stub
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        await super().startup(sockets)
        for bound in sockets or ():
            self._on_ready(base_url(bound))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Every server waits for open streams; so they are ended first."""
        self._stub.hang_up()
        await super().shutdown(sockets)

    def run_on(self, bound: socket.socket) -> None:
        """Serve on a socket that `listen` has made, and close it."""
        with bound:
            self.run([bound])


def listen(port: int) -> socket.socket:
    """A socket on this machine's own address; 0 takes any free port. Raises OSError where the port is taken."""
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((ADDRESS, port))
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def base_url(bound: socket.socket) -> str:
    """What goes into BOOKBOT_LLM_BASE_URL."""
    host, port = bound.getsockname()
    return f"http://{host}:{port}/v1"
