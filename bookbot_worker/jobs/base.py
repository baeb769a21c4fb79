"""BaseJob, BookJob, ChunkJob: what job code inherits, and all it may touch.

A job reads and writes through `self.session`, logs through `self.log`, and never commits or rolls back: its
writes reach the database together with its final state, or not at all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, NoReturn, Protocol

from pydantic import BaseModel
from sqlalchemy.orm import Session

from bookbot_worker.jobs.job_llm import JobLedger, JobLLM
from bookbot_worker.llm.client import LLM
from bookbot_worker.outcomes import AwaitJobs
from shared.enqueue import NewJob, create_jobs
from shared.models import Book, Chunk, Job
from shared.states import LockScope


class Context(Protocol):
    """What the engine hands to one attempt of one job."""

    @property
    def session(self) -> Session: ...
    @property
    def props(self) -> BaseModel: ...
    @property
    def log(self) -> Callable[[str, str, dict[str, Any]], None]: ...
    @property
    def progress(self) -> Callable[[float, str], None]: ...
    @property
    def check_cancelled(self) -> Callable[[], None]: ...
    @property
    def parked(self) -> Callable[[], AbstractContextManager[None]]: ...
    @property
    def wait(self) -> Callable[[timedelta], None]: ...
    @property
    def closing(self) -> Callable[[Callable[[], object]], AbstractContextManager[None]]: ...
    @property
    def llm(self) -> LLM | None: ...
    @property
    def ledger(self) -> JobLedger | None: ...
    @property
    def show_answer(self) -> Callable[[], Callable[[str], None]]: ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """A Context made by hand, to run a job's code without a worker (in a test, in a console)."""

    session: Session
    props: BaseModel
    log: Callable[[str, str, dict[str, Any]], None]
    progress: Callable[[float, str], None]
    check_cancelled: Callable[[], None]
    parked: Callable[[], AbstractContextManager[None]]
    wait: Callable[[timedelta], None]
    llm: LLM | None = None
    closing: Callable[[Callable[[], object]], AbstractContextManager[None]] = lambda _close: nullcontext()
    ledger: JobLedger | None = None
    show_answer: Callable[[], Callable[[str], None]] = lambda: lambda _piece: None


class BaseJob(ABC):
    """One attempt of one job.

    `self.job` is the Job as it was claimed, a plain object outside the session: of what is set on it, only
    `error_message` and `result` are stored. `self.props` are the validated props.
    """

    locks: ClassVar[LockScope | None] = None

    def __init__(self, job: Job, context: Context) -> None:
        self.job = job
        self.props: Any = context.props
        self._context = context

    @property
    def session(self) -> Session:
        """The SQLAlchemy Session of this attempt. What is added or changed in it is written at the end."""
        return self._context.session

    @abstractmethod
    def execute(self) -> bool:
        """Do the work. True: completed. False: failed (set `self.job.error_message`). Raise: error."""

    def log(self, message: str, level: str = "INFO", **props: Any) -> None:
        """Add a line to the job's log, visible within half a second. Raises JobCancelled if asked to stop."""
        self._context.log(message, level, props)
        self._context.check_cancelled()

    def progress(self, fraction: float, message: str = "") -> None:
        """Show how far the job is, from 0 to 1. Raises JobCancelled if asked to stop."""
        self._context.progress(fraction, message)
        self._context.check_cancelled()

    def check_cancelled(self) -> None:
        """Raises JobCancelled if the job was asked to stop; call it in long loops."""
        self._context.check_cancelled()

    def parked(self) -> AbstractContextManager[None]:
        """`with self.parked():` gives the database connection back while the job waits for something slow."""
        return self._context.parked()

    def wait(self, duration: timedelta) -> None:
        """Pause without holding a connection. Raises JobCancelled as soon as the job is asked to stop."""
        with self.parked():
            self._context.wait(duration)

    def closing_on_stop(self, close: Callable[[], object]) -> AbstractContextManager[None]:
        """`with self.closing_on_stop(stream.close):` ends a wait that cannot look at the token.

        When the job is asked to stop, `close` is called from another thread, at once; what the block raises then
        becomes JobCancelled. A socket must be shut down (`socket.shutdown`), closing it wakes nobody.
        """
        return self._context.closing(close)

    @property
    def llm(self) -> JobLLM:
        """The LLM of this worker; asking it parks the job, and answers are kept in the ledger."""
        if self._context.llm is None:
            raise RuntimeError("this worker was started without an LLM")
        return JobLLM(
            self._context.llm,
            self._context.parked,
            self.check_cancelled,
            self._context.closing,
            self.log,
            self._context.ledger,
            self._context.show_answer,
        )

    def create_jobs(self, new_jobs: Sequence[NewJob]) -> list[Job]:
        """Enqueue further jobs; they appear together with this job's final state, or not at all."""
        return create_jobs(new_jobs, session=self.session)

    def await_jobs(self, job_ids: Sequence[str], reason: str) -> NoReturn:
        """Commit what was written so far, give the slot back, and run `execute` again when these jobs ended."""
        raise AwaitJobs(job_ids, reason)


class BookJob(BaseJob):
    """A job that holds its whole book from claim to settle: no other job of the book runs meanwhile."""

    locks = LockScope.BOOK

    @cached_property
    def book(self) -> Book:
        """The locked book, in this job's session. Kept: a session forgets changed props of a row nobody holds."""
        return self.session.get_one(Book, self.job.book_id)


class ChunkJob(BaseJob):
    """A job that holds one chunk: no other job of that chunk, and no BookJob of its book, runs meanwhile."""

    locks = LockScope.CHUNK

    @cached_property
    def chunk(self) -> Chunk:
        """The latest version of the locked chunk, in this job's session."""
        return self.session.query(Chunk).filter_by(chunk_id=self.job.chunk_id, is_latest=True).one()
