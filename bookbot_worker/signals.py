"""Signals of the worker process. A handler only records; the loop reads the record and acts.

Nothing is ever raised from a handler: it could land inside a COMMIT (psycopg #1293, celery #10271).
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def listening(note: Callable[[], None], wakeup_fd: int) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGINT call `note`; the previous handlers come back after it.

    `note` must take no lock: the handler runs in the main thread, which may hold it. `wakeup_fd` receives a byte
    for every signal (signal.set_wakeup_fd): a Python handler alone does not end a `select` that is waiting.
    """

    def record(_number: int, _frame: FrameType | None) -> None:
        note()

    previous_fd = signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)
    previous = {number: signal.signal(number, record) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_fd)
