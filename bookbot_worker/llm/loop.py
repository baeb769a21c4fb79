"""One asyncio loop in a thread of its own, for every HTTP stream of a worker: closing a stream there really closes it.

A stream that is read in a job's thread cannot be freed from another one; a task can be cancelled in half a millisecond.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopThread:
    """Started on first use. All methods are safe from any thread but the loop's own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start_task(
        self, work: Coroutine[Any, Any, Result], on_end: Callable[[asyncio.Task[Result]], object]
    ) -> Callable[[], None]:
        """Run `work` on the loop and call `on_end` there when it is over; returns what cancels it, from any thread."""
        loop = self._running()
        task: asyncio.Task[Result] | None = None
        is_cancelled = False

        def start() -> None:
            nonlocal task
            task = loop.create_task(work)
            task.add_done_callback(on_end)
            if is_cancelled:
                task.cancel()

        def cancel() -> None:
            nonlocal is_cancelled
            is_cancelled = True
            if task is not None:
                task.cancel()

        loop.call_soon_threadsafe(start)
        return lambda: self._tell(loop, cancel)

    def stop(self, last: Coroutine[Any, Any, None] | None = None, patience: float = 5.0) -> None:
        """Cancel all that runs, do `last`, end the thread. Waits at most `patience` seconds."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            if last is not None:
                last.close()
            return
        asyncio.run_coroutine_threadsafe(_end_all(last), loop).add_done_callback(
            lambda _done: self._tell(loop, loop.stop)
        )
        thread.join(patience)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    @staticmethod
    def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended, and all that ran on it
            loop.call_soon_threadsafe(what)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


async def _end_all(last: Coroutine[Any, Any, None] | None) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if last is not None:
        await last
