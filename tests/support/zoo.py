"""Job types for real worker processes: BOOKBOT_JOB_TYPES and BOOKBOT_JOBS name this module.

What a job does outside the database is written to the file named in its props, one line an event: the witness.
"""

import os
import threading
from datetime import timedelta
from pathlib import Path

from bookbot_worker import BaseJob, BookJob, JobProcessor
from shared.ids import new_id
from shared.job_types import AnyProps, JobType
from shared.models import Book
from shared.states import LockScope

JOB_TYPES = (
    JobType("quick", AnyProps),
    JobType("stubborn", AnyProps),
    JobType("patient", AnyProps),
    JobType("half_done", AnyProps, locks=LockScope.BOOK),
)


def witness(path: str, event: str) -> None:
    """Append one line, in one write."""
    descriptor = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, f"{event}\n".encode())
    os.close(descriptor)


class Quick(BaseJob):
    """Does nothing, at once."""

    def execute(self) -> bool:
        return True


class Stubborn(BaseJob):
    """Runs until the file named in `go` exists, and does not look at its stop token."""

    def execute(self) -> bool:
        witness(self.job.props["witness"], "started")
        pause = threading.Event()
        while not Path(self.job.props["go"]).exists():
            pause.wait(0.02)
        self.session.add(Book(book_id=new_id(), title="by the stubborn job"))
        witness(self.job.props["witness"], "finished")
        return True


class Patient(BaseJob):
    """Waits as long as it may, and stops when asked."""

    def execute(self) -> bool:
        witness(self.job.props["witness"], "started")
        self.log("waiting")
        self.wait(timedelta(seconds=60))
        return True


class HalfDone(BookJob):
    """Sends a write to the database, then waits: the moment to be killed in."""

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="half done"))
        self.session.flush()
        self.log("sent the first half")
        witness(self.job.props["witness"], "flushed")
        threading.Event().wait(60)
        return True


def register(processor: JobProcessor) -> None:
    """Called by the worker at start."""
    processor.register("quick", Quick)
    processor.register("stubborn", Stubborn)
    processor.register("patient", Patient)
    processor.register("half_done", HalfDone)
