"""A TCP proxy in front of PostgreSQL that a test makes stall, vanish, reset, dawdle, or lose one commit's answer.

It runs in a thread of the test's process. Whatever it does to a connection, it does to the bytes: both ends are real.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self

from tests.support.chaos_link import Admission, Link, Strike, Trap, Weather


class ChaosProxy:
    """`with ChaosProxy(port) as proxy:` listens on `proxy.port`. Every method may be called from any thread.

    `attempts` holds the monotonic time of every connection that clients tried to make.
    """

    def __init__(self, target_port: int) -> None:
        self.attempts: list[float] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._admission: Admission = Link.forward
        self._weather = Weather(("127.0.0.1", target_port))
        self._weather.gate.set()
        self._links: dict[asyncio.Task[None], Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chaos-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def url(self, url: str) -> str:
        """`url`, leading through the proxy."""
        return url.replace(f":{self._weather.target[1]}/", f":{self.port}/")

    @property
    def connections(self) -> int:
        """Clients that are connected now."""
        return int(self._do(lambda: len(self._links)))

    def passing(self) -> None:
        """Forward everything, also what has been held back. Traps and the delay stay."""
        self._do(lambda: self._become(Link.forward))

    def stall(self) -> None:
        """Keep every connection, take new ones, and hold back what either side sends until `passing`."""
        self._do(lambda: self._become(Link.forward, is_open=False))

    def blackhole(self) -> None:
        """Take new connections and never answer them, not even later; those that exist go on."""
        self._do(lambda: self._become(Link.swallow))

    def refuse(self) -> None:
        """Reset new connections at once; those that exist go on."""
        self._do(lambda: self._become(Link.refuse))

    def delay(self, seconds: float) -> None:
        """Whatever is sent takes so much longer from now on, each way; 0 ends it."""
        self._do(lambda: setattr(self._weather, "delay", seconds))

    def reset(self) -> None:
        """Reset every connection that exists, on both sides."""
        self._do(self._reset_all)

    def drop_commit_ack(self, n: int = 1, only_if: bytes | None = None) -> Trap:
        """Instead of the answer to the next `n` commits, reset both sides: the server has committed, nobody knows.

        `only_if`: only those whose transaction has said these words before, in a statement or a parameter.
        """
        return self._set(Trap(Strike.COMMIT_ANSWERED, n, only_if))

    def reset_before_commit(self, n: int = 1, only_if: bytes | None = None) -> Trap:
        """Instead of forwarding the next `n` commits, reset both sides: the server rolls back, nobody knows."""
        return self._set(Trap(Strike.COMMIT_ASKED, n, only_if))

    def disarm(self) -> None:
        """Take every trap away."""
        self._do(self._weather.traps.clear)

    # In the thread

    def _run(self) -> None:
        accepting = self._loop.create_task(self._accept())
        self._loop.run_forever()
        tasks = [accepting, *self._links]
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._listener.close()
        self._loop.close()

    async def _accept(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            self.attempts.append(time.monotonic())
            link = Link(self._weather, client)
            task = self._loop.create_task(link.serve(self._admission))
            self._links[task] = link
            task.add_done_callback(lambda task: self._links.pop(task).close())

    def _do(self, act: Callable[[], Any]) -> Any:
        """Run `act` in the thread, and wait for it."""
        done: Future[Any] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(act()))
        return done.result(20)

    def _become(self, admission: Admission, *, is_open: bool = True) -> None:
        self._admission = admission
        if is_open:
            self._weather.gate.set()
        else:
            self._weather.gate.clear()

    def _reset_all(self) -> None:
        for task, link in self._links.items():
            link.is_reset = True
            task.cancel()

    def _set(self, trap: Trap) -> Trap:
        self._do(lambda: self._weather.traps.append(trap))
        return trap
