"""Signals of the worker process. A handler does nothing; a thread reads what the C level has noted, and acts.

So a signal is heard also while the main thread waits inside C (a database that does not answer, SQLite's busy wait),
no handler can need a lock that the thread it interrupted holds, and nothing is ever raised into a COMMIT (psycopg
#1293, celery #10271).

| signal | what happens |
|---|---|
| SIGTERM, SIGINT | `on_stop`, each time |
| SIGUSR2 | `on_pause`, each time |
| SIGUSR1 | the stacks of all threads go to stderr |
| SIGQUIT | the same, and the process dies of the signal: to the others it has crashed |
"""

import contextlib
import faulthandler
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HEARD = (*STOP_SIGNALS, signal.SIGUSR1, signal.SIGUSR2)
_THE_END = 0
"""Written to the pipe when nobody listens any more; no signal has this number."""


@contextmanager
def listening(on_stop: Callable[[], None], on_pause: Callable[[], None]) -> Iterator[None]:
    """While the block runs, these signals act as the table says; the previous handlers come back after it.

    Only in the main thread. `on_stop` and `on_pause` are called in a thread of their own and may take locks.
    """
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    acts = {int(number): on_stop for number in STOP_SIGNALS}
    acts |= {int(signal.SIGUSR1): _show_stacks, int(signal.SIGUSR2): on_pause}
    listener = threading.Thread(target=_listen, args=(read_fd, acts), name="signals", daemon=True)
    listener.start()
    previous_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    previous = {number: signal.signal(number, _nothing) for number in _HEARD}
    with _last_words():
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_fd)
            os.write(write_fd, bytes([_THE_END]))
            listener.join()
            os.close(read_fd)
            os.close(write_fd)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A handler has to be there for Python to note the signal."""


def _listen(read_fd: int, acts: dict[int, Callable[[], None]]) -> None:
    while True:
        for number in os.read(read_fd, 64):
            if number == _THE_END:
                return
            if (act := acts.get(number)) is not None:
                act()


def _show_stacks() -> None:
    """By a thread that has the interpreter to itself: from a C handler, 4 dumps of 100 killed a busy worker."""
    if sys.__stderr__ is not None:
        with contextlib.suppress(io.UnsupportedOperation, OSError, ValueError):
            faulthandler.dump_traceback(file=sys.__stderr__, all_threads=True)


@contextmanager
def _last_words() -> Iterator[None]:
    """Written at the C level, so that they come also from a process in which no Python code runs any more.

    It may stumble over stacks that go on changing, and die of that instead.
    """
    if sys.__stderr__ is not None:
        with contextlib.suppress(io.UnsupportedOperation, ValueError):
            faulthandler.register(signal.SIGQUIT, file=sys.__stderr__, all_threads=True, chain=True)
    try:
        yield
    finally:
        faulthandler.unregister(signal.SIGQUIT)
