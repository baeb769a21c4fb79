"""How one attempt of a job can end: a closed type, and the exceptions job code may raise to choose.

`execution.py` turns whatever a job does into exactly one Outcome; `queue/settle.py` writes it down. No strings,
no booleans in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.ids import check_id

LONGEST_DELAY = timedelta(days=3660)
"""Ten years: further off, databases disagree about what an instant is."""


@dataclass(frozen=True, slots=True)
class Completed:
    """`execute()` returned True: its writes are kept."""


@dataclass(frozen=True, slots=True)
class Failed:
    """`execute()` returned False, a failure the job handled itself. Its writes are dropped."""

    message: str


@dataclass(frozen=True, slots=True)
class Errored:
    """An exception, a wrong return value, a broken rule. Its writes are dropped."""

    message: str
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The job stopped because it was asked to. Its writes are dropped."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """Back to waiting, to start again `after` this long.

    `keeps_writes`: what the job wrote so far is committed now (it waits for others). `returns_attempt`: this
    start does not count. `awaits`: ids of jobs that must end first. `is_interruption`: the database broke the run off.
    """

    after: timedelta
    reason: str
    returns_attempt: bool = False
    keeps_writes: bool = False
    is_interruption: bool = False
    awaits: tuple[str, ...] = ()


Outcome = Completed | Failed | Errored | Cancelled | Postponed


def keeps_writes(outcome: Outcome) -> bool:
    """Whether the job's own database writes are committed with this outcome."""
    return isinstance(outcome, Completed) or (isinstance(outcome, Postponed) and outcome.keeps_writes)


class Retry(Exception):
    """Raised by job code: this attempt failed, another may succeed.

    `after` overrides the type's backoff (a server's Retry-After). When the attempts are used up, the job ends in
    `error` with this message.
    """

    def __init__(self, message: str, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = None if after is None else _delay("Retry", after)


class Snooze(Exception):
    """Raised by job code: not now, try again `after`; costs no attempt."""

    def __init__(self, after: timedelta, reason: str = "snoozed") -> None:
        super().__init__(reason)
        self.after = _delay("Snooze", after)


class AwaitJobs(Exception):
    """Raised by job code: commit what I wrote, and start me again when these jobs have ended, however.

    Costs no attempt. The job's book or chunk is released meanwhile. Raises InvalidInput for what is no id.
    """

    def __init__(self, job_ids: Sequence[str], reason: str) -> None:
        super().__init__(reason)
        self.job_ids = tuple(check_id("job_ids", job_id) for job_id in job_ids)


def _delay(name: str, after: timedelta) -> timedelta:
    """`after`, at least zero. Raises TypeError or ValueError, in the job that asked, for what is no delay."""
    if not isinstance(after, timedelta):
        raise TypeError(f"{name}(after=…) takes a timedelta, not {type(after).__name__}")
    if after > LONGEST_DELAY:
        raise ValueError(f"{name}(after=…): a job can be put off by at most {LONGEST_DELAY.days} days")
    return max(after, timedelta(0))


class JobCancelled(BaseException):
    """Raised inside a job that was asked to stop. A BaseException, so that `except Exception` lets it pass."""


class GoldenRuleViolation(RuntimeError):
    """Job code tried to end the transaction, which is the processor's alone."""

    def __init__(self, act: str) -> None:
        super().__init__(
            f"golden rule: a job must not commit or roll back ({act}); the processor settles its writes, "
            "logs and state in one transaction. Nothing of this job was written."
        )


class LostClaim(Exception):
    """The job is no longer ours to settle: another claim, or none, holds it. Everything is rolled back."""
