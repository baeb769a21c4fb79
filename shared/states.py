"""The states of a job and the only legal ways between them.

::

                ┌── retry / snooze / rescue / release ──┐
                ▼                                       │
     enqueue → waiting ── claim ──► running ── settle ──┼─► completed
                │  ▲                   │                ├─► failed
                │  └── retry_job ──────│────────────────┼─► error
                └────── cancel ────────┴────────────────┴─► cancelled

`waiting` with `run_at` in the future is "scheduled", with unfinished dependencies it is "blocked":
reasons, not states. Terminal ⇔ `completed_at` is set, which the database checks.
"""

from enum import StrEnum


class JobState(StrEnum):
    """The value of `jobs.state`; there are no others and no synonyms."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether `completed_at` is set and nothing but `retry_job` leaves this state."""
        return self in TERMINAL


TERMINAL = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.ERROR, JobState.CANCELLED})
ACTIVE = frozenset({JobState.WAITING, JobState.RUNNING})

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.WAITING: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.WAITING, *TERMINAL}),
    **{terminal: frozenset({JobState.WAITING}) for terminal in TERMINAL},
}


class LockScope(StrEnum):
    """What a job holds exclusively while it runs: its whole book, or one chunk of it."""

    BOOK = "book"
    CHUNK = "chunk"
