"""Jobs that do harm: to their process, to their machine, to everybody's patience."""

import ctypes
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta

from bookbot_worker import BaseJob, Retry
from shared.ids import new_id
from shared.models import Book
from tests.faults.good_jobs import begin, prop, witness_of, write_effects

LEAKED: list[bytearray] = []
LIBC = ctypes.CDLL(None)


class Harmful(BaseJob):
    """Does harm in its first `times` attempts (all, where the props do not say)."""

    def execute(self) -> bool:
        begin(self)
        if self.job.attempt <= prop(self, "times", sys.maxsize):
            self.harm()
        return write_effects(self)

    def harm(self) -> None:
        """What each class is for."""


class Hangs(Harmful):
    """Deaf to its stop token, in C. `flush`: with a write already sent, so with its connection and its rows' locks."""

    def harm(self) -> None:
        if prop(self, "flush", False):
            self.session.add(Book(book_id=new_id(), title="must not be written"))
            self.session.flush()
        until = time.monotonic() + prop(self, "seconds", 60)
        while time.monotonic() < until:
            LIBC.sleep(1)


class Exits(Harmful):
    """Ends the process with the code of success."""

    def harm(self) -> None:
        os._exit(0)


class Aborts(Harmful):
    """SIGABRT."""

    def harm(self) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()


class Segfaults(Harmful):
    """SIGSEGV."""

    def harm(self) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.string_at(0)


class KillsItself(Harmful):
    """SIGKILL, as by the kernel when memory is short."""

    def harm(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Forks(Harmful):
    """Its child ends at once, or, as `child` says, by "exit", "raise" or "return": through the worker's own code."""

    def harm(self) -> None:
        if not (child := os.fork()):
            match prop(self, "child", None):
                case "exit":
                    sys.exit(0)
                case "raise":
                    raise RuntimeError("in the child")
                case "return":
                    return
            os._exit(0)
        until = time.monotonic() + prop(self, "seconds", 2)
        while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < until:
            threading.Event().wait(0.02)


class EatsMemory(Harmful):
    """Leaks a megabyte, or as many as `mb` says."""

    def harm(self) -> None:
        LEAKED.append(bytearray(prop(self, "mb", 1) * 1024 * 1024))


class EatsDescriptors(Harmful):
    """Opens files until the system refuses, lets the worker live with that for a while, then closes them."""

    def harm(self) -> None:
        eaten: list[int] = []
        try:
            self.open_all(eaten)
            os.close(eaten.pop())  # the witness needs one
            witness_of(self).note("refused", self.job.job_id, len(eaten))
            self.open_all(eaten)
            threading.Event().wait(prop(self, "seconds", 1))
        finally:
            for descriptor in eaten:
                os.close(descriptor)

    def open_all(self, eaten: list[int]) -> None:
        with suppress(OSError):
            while True:
                eaten.append(os.open(os.devnull, os.O_RDONLY))


class EatsThreads(Harmful):
    """Starts threads until the system refuses, or there are `most` of them; they end after a while."""

    def harm(self) -> None:
        may_end = threading.Event()
        eaten: list[threading.Thread] = []
        try:
            with suppress(RuntimeError):
                while len(eaten) < prop(self, "most", 5000):
                    thread = threading.Thread(target=may_end.wait, daemon=True)
                    thread.start()
                    eaten.append(thread)
            witness_of(self).note("refused", self.job.job_id, len(eaten))
            threading.Event().wait(prop(self, "seconds", 1))
        finally:
            may_end.set()
        for thread in eaten:
            thread.join()


class LeavesThread(Harmful):
    """Starts a thread that the interpreter would wait for at its end, and does not end it."""

    def harm(self) -> None:
        threading.Thread(target=threading.Event().wait, args=(3600,)).start()


class Spins(Harmful):
    """Keeps the interpreter busy, in Python."""

    def harm(self) -> None:
        until = time.monotonic() + prop(self, "seconds", 2)
        while time.monotonic() < until:
            pass


class Hogs(Harmful):
    """Keeps the interpreter to itself, in C, as a regular expression does that finds no end: no other thread runs."""

    def harm(self) -> None:
        ctypes.PyDLL(None).usleep(int(prop(self, "seconds", 5) * 1_000_000))


class Recurses(Harmful):
    """RecursionError."""

    def harm(self) -> None:
        self.harm()


class Retries(Harmful):
    """Fails, to be tried again `after` so many seconds."""

    def harm(self) -> None:
        raise Retry("not this time", after=timedelta(seconds=prop(self, "after", 0)))
