"""A second pair of hands for the loop: one thread that does one thing while the loop does another.

The loop settles and claims at the same time, each on a connection of its own, so that the server and this process need
not wait for each other. It decides nothing, and nobody else uses it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

Answer = TypeVar("Answer")


class Aside:
    """Its thread is made at the start, because later the system may have none to give."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="settler")

    def start(self) -> None:
        """Make the thread."""
        self._thread.submit(int).result()

    def stop(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False)

    @contextmanager
    def doing(self, task: Callable[[], Answer], *, needed: bool) -> Iterator[Future[Answer | None]]:
        """While the block runs, `task` does too; afterwards its answer is known. Raises what the block or it raises.

        Where it is not needed its answer is None, and the thread is not woken for it.
        """
        answer: Future[Answer | None] = self._thread.submit(task) if needed else Future()
        if not needed:
            answer.set_result(None)
        try:
            yield answer
        finally:
            wait([answer])
        answer.result()
