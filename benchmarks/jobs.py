"""The benchmark's own job types and their classes, for a worker that is told of them by BOOKBOT_JOB_TYPES and _JOBS."""

import time
from datetime import timedelta

from bookbot_worker.jobs.base import BaseJob, BookJob
from bookbot_worker.processor import JobProcessor
from shared.ids import new_id
from shared.job_types import AnyProps, JobType
from shared.models import Book
from shared.states import LockScope

LINES = 100

JOB_TYPES = [
    *(JobType(name, AnyProps) for name in ("noop", "writes", "reads", "logs", "sleeps", "clocked")),
    JobType("locks", AnyProps, locks=LockScope.BOOK),
]

ENVIRONMENT = {"BOOKBOT_JOB_TYPES": "benchmarks.jobs", "BOOKBOT_JOBS": "benchmarks.jobs"}


class NoOp(BaseJob):
    """Nothing: what is left is the engine."""

    def execute(self) -> bool:
        return True


class Writes(BaseJob):
    """One row: settled alone, in a transaction of its own."""

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="benchmark", props={}))
        return True


class Reads(BaseJob):
    """One query."""

    def execute(self) -> bool:
        self.session.get(Book, self.job.job_id)
        return True


class Logs(BaseJob):
    """Many log lines, and how long they held it up."""

    def execute(self) -> bool:
        began = time.perf_counter()
        for number in range(LINES):
            self.log(f"line {number}")
        self.job.result = {"seconds": time.perf_counter() - began}
        return True


class Sleeps(BaseJob):
    """One second of waiting, as for an LLM."""

    def execute(self) -> bool:
        self.wait(timedelta(seconds=1))
        return True


class Clocked(BaseJob):
    """When it began, by a clock that processes share."""

    def execute(self) -> bool:
        self.job.result = {"at": time.monotonic()}
        return True


class Locks(BookJob):
    """Holds its book for an instant."""

    def execute(self) -> bool:
        return True


def register(processor: JobProcessor) -> None:
    """Called by the worker at its start."""
    classes = {"noop": NoOp, "writes": Writes, "reads": Reads, "logs": Logs, "sleeps": Sleeps, "clocked": Clocked}
    for name, job_class in {**classes, "locks": Locks}.items():
        processor.register(name, job_class)
