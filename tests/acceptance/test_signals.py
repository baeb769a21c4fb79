"""Signals are heard in a thread, counted, and forgotten when nobody listens any more."""

import os
import signal
import threading
from collections import Counter

import pytest

from bookbot_worker.signals import listening
from tests.support.running import eventually

pytestmark = pytest.mark.acceptance


def test_signals_are_acted_upon_in_a_thread_that_may_take_locks() -> None:
    seen: Counter[str] = Counter()
    lock = threading.Lock()
    threads: set[str] = set()

    def note(what: str) -> None:
        with lock:
            seen[what] += 1
            threads.add(threading.current_thread().name)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)}
    with listening(lambda: note("stop"), lambda: note("pause")):
        with lock:  # the main thread holds what a handler in it would wait for
            for number in before:
                os.kill(os.getpid(), number)
        eventually(lambda: seen["stop"] == 2 and seen["pause"] == 1)
    assert threads == {"signals"}
    assert {number: signal.getsignal(number) for number in before} == before


def test_listening_ends_also_when_signals_come_to_the_last_moment() -> None:
    for _ in range(100):
        with listening(lambda: None, lambda: None):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_burst_of_signals_loses_no_kind_of_them() -> None:
    seen: Counter[str] = Counter()
    with listening(lambda: seen.update(["stop"]), lambda: seen.update(["pause"])):
        for _ in range(200):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGUSR2)
        eventually(lambda: seen["stop"] and seen["pause"])
