"""One run of one job: its row, its session, its log, its stop token, and what job code sees of them.

What the engine needs to know of the row is copied when the attempt opens: `job` belongs to job code from then on,
which may set anything on it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker.cancellation import StopToken
from bookbot_worker.failure_text import format_trace, in_words, why_interrupted, why_not_saved
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.jobs.job_llm import Desk, JobLedger, Life, Run
from bookbot_worker.jobs.registry import Registry
from bookbot_worker.lease import ETERNAL, Lease, boot_clock
from bookbot_worker.orphans import LOSSES_LIMIT
from bookbot_worker.outcomes import Errored, Outcome
from bookbot_worker.process_identity import own_pid
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.settlement import Settlement
from bookbot_worker.retry import after_interruption
from bookbot_worker.telemetry.joblog import DatabaseTime, JobLog
from bookbot_worker.unit_of_work import UnitOfWork
from shared.job_types import JobType
from shared.models import Job

log = structlog.get_logger()

LOOK_AT_LEASE = timedelta(seconds=0.2)


@dataclass(slots=True)
class Attempt:
    """What belongs to one run of one job. `number` counts its starts, from 1; `result` is its storable result.

    `opened_at` is by `lease.boot_clock`, in seconds. `lease` says whether this worker may start what costs money.
    """

    job: Job
    holder: Candidate
    number: int
    max_attempts: int
    interruptions: int
    job_type: JobType
    job_class: type[BaseJob]
    unit: UnitOfWork
    job_log: JobLog
    on_first_line: Callable[[JobLog], None]
    lease: Lease
    desk: Desk | None = None
    stop: StopToken = field(default_factory=StopToken)
    opened_at: float = 0.0
    pid: int = field(default_factory=own_pid)
    is_watched: bool = False
    is_fenced: bool = False
    is_bare: bool = False
    is_suspect: bool = False
    result: dict[str, Any] | None = None
    settled_as: Outcome | None = None
    _end: threading.Lock = field(default_factory=threading.Lock)

    @property
    def job_id(self) -> str:
        """The job, whatever job code made of its row."""
        return self.holder.job_id

    @property
    def claim_id(self) -> str:
        """The fencing token of this run."""
        return self.job_log.claim_id

    @classmethod
    def open(
        cls,
        job: Job,
        registry: Registry,
        engine: Engine,
        watch: Callable[[JobLog], None],
        desk: Desk | None = None,
        lease: Lease = ETERNAL,
    ) -> "Attempt":
        """Everything one run of a claimed job needs."""
        row = vars(job)  # past the ORM, which would take 5 µs
        job_type, job_class = registry.find(row["job_type"])
        clock = DatabaseTime(row["started_at"])
        job_log = JobLog(row["job_id"], str(row["claim_id"]), row["attempt"], row["log_count"], clock)
        holder = Candidate(row["job_id"], row["lock_scope"], row["book_id"], row["chunk_id"])
        unit = UnitOfWork(engine, before_write=job_log.hold, warn=lambda text: attempt.add_line(text, "WARNING"))
        attempt = cls(
            job=job,
            holder=holder,
            number=row["attempt"],
            max_attempts=row["max_attempts"],
            interruptions=row["interruptions"],
            is_suspect=row["losses"] >= LOSSES_LIMIT - 1,
            job_type=job_type,
            job_class=job_class,
            unit=unit,
            job_log=job_log,
            on_first_line=watch,
            lease=lease,
            desk=desk,
            opened_at=boot_clock(),
        )
        return attempt

    @property
    def timed_out(self) -> str:
        """The sentence for a run that took too long."""
        return f"The job ran longer than its limit of {in_words(self.job_type.timeout)}."

    def takes_the_end(self) -> bool:
        """True for the first who asks: the thread that ran the job, or who fences it out. Only that one settles it."""
        return self._end.acquire(blocking=False)

    @property
    def is_ending(self) -> bool:
        """Whether somebody has taken the end: its thread is done with the job, or was parted with."""
        return self._end.locked()

    def fence(self) -> None:
        """Part with a thread that does not stop: nothing it does counts any more, and its connection is cut."""
        self.is_fenced = True
        self.unit.fence()

    def wait_for_lease(self) -> None:
        """Return when this worker may spend money; a worker whose beats fail may have been given up by the others.

        Raises JobCancelled where the attempt is asked to stop meanwhile.
        """
        while not self.lease.is_trusted:
            self.stop.wait(LOOK_AT_LEASE)

    def ledger(self) -> JobLedger | None:
        """The ledger of LLM calls, for this run; None where the worker has no LLM."""
        if self.desk is None:
            return None
        holder = self.holder
        run = Run(holder.job_id, self.claim_id, self.number, self.job.llm_epoch, holder.book_id, holder.chunk_id)
        stop = self.stop
        return JobLedger(self.desk, run, Life(stop.check, stop.wait, self.wait_for_lease, self.unit.holds_the_writer))

    def add_line(self, message: str, level: str = "INFO", props: dict[str, Any] | None = None) -> None:
        """One line, in the job's log and in the process log."""
        line = self.job_log.append(str(message), str(level).upper(), props)
        self._watch()
        if line is not None:
            name = self.job_type.name
            log.info("job.log", job_id=self.job_id, job_type=name, level_of_line=line.level, message=line.message)

    def report(self, fraction: float, message: str) -> None:
        """How far the job is."""
        self.job_log.report(fraction, message)
        self._watch()

    def show_answer(self) -> Callable[[str], None]:
        """An LLM begins to answer: what to call with each piece, so that it can be watched as it comes."""
        add = self.job_log.listen().add
        self._watch()
        return add

    def _watch(self) -> None:
        if not self.is_watched:
            self.is_watched = True
            self.on_first_line(self.job_log)

    def settlement(self, outcome: Outcome) -> Settlement:
        """All that is to be written about this attempt. Seals the log: later lines are dropped."""
        job_log = self.job_log
        if self.is_bare:
            return Settlement(self.holder, job_log.claim_id, outcome)
        lines = job_log.seal()
        return Settlement(
            holder=self.holder,
            claim_id=job_log.claim_id,
            outcome=outcome,
            lines=lines,
            log_count=job_log.count if job_log.has_lines else None,
            progress=job_log.progress,
            result=None if isinstance(outcome, Errored) else self.result,
        )

    def interrupted(self, error: BaseException) -> Outcome:
        """The outcome of a run that the database broke off through no fault of the job's."""
        return after_interruption(why_interrupted(error), self.interruptions, format_trace(error))

    def stripped(self, error: BaseException) -> Errored:
        """The outcome where not even the failure could be stored: from now on, nothing of the job goes with it."""
        self.job_log.seal()
        self.is_bare = True
        return Errored(f"The job ended, and its end could not be stored: {type(error).__name__}.")

    def could_not_be_saved(self, error: BaseException) -> Errored:
        """The outcome in place of one the database refused, with a last line in the log that says why."""
        failure = Errored(why_not_saved(error), format_trace(error))
        self.job_log.append_last(failure.message, "ERROR")
        return failure


class AttemptContext:
    """What job code sees of its attempt (jobs.base.Context). The session is made when it is first used."""

    def __init__(self, attempt: Attempt, props: BaseModel) -> None:
        self._attempt = attempt
        self.props = props
        self.log = attempt.add_line
        self.progress = attempt.report
        self.check_cancelled = attempt.stop.check
        self.wait = attempt.stop.wait
        self.closing = attempt.stop.closing
        self.parked = attempt.unit.parked
        self.llm = attempt.desk.author if attempt.desk else None
        self.ledger = attempt.ledger()
        self.show_answer = attempt.show_answer

    @property
    def session(self) -> Session:
        """The attempt's session."""
        return self._attempt.unit.session
