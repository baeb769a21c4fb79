"""What became of a job that a test has run, to be looked at after its database is gone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bookbot_worker.jobs.base import BaseJob
from shared.models import Base, Job, JobLog, LlmCall


@dataclass(frozen=True, slots=True)
class Write:
    """One row the job wrote: its columns as they are now (deleted: as they were).

    `changes`: of a changed row, column → (before, after).
    """

    table: str
    kind: Literal["added", "changed", "deleted"]
    row: dict[str, Any] = field(hash=False)
    changes: dict[str, tuple[Any, Any]] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Performed:
    """One run of one job, by `job_class`.

    `job` is its row as the run left it; `logs` and `llm_calls` are of all its runs, in order.
    """

    job: Job
    job_class: type[BaseJob]
    logs: Sequence[JobLog]
    llm_calls: Sequence[LlmCall]
    writes: Sequence[Write]

    @property
    def state(self) -> str:
        """How it ended; "waiting" where it is to run again."""
        return self.job.state

    @property
    def error_message(self) -> str | None:
        """Why it failed."""
        return self.job.error_message

    @property
    def why_waiting(self) -> str | None:
        """What a Retry or a Snooze has said, where it is to run again."""
        return self.job.progress_message if self.state == "waiting" else None

    @property
    def result(self) -> dict[str, Any] | None:
        """What it left in `self.job.result`."""
        return self.job.result

    @property
    def lines(self) -> list[str]:
        """The messages of its log."""
        return [line.message for line in self.logs]

    def added(self, what: str | type[Base]) -> list[dict[str, Any]]:
        """The rows it added to a table, named or by its model."""
        return [write.row for write in self._of(what, "added")]

    def deleted(self, what: str | type[Base]) -> list[dict[str, Any]]:
        """The rows it deleted, as they were."""
        return [write.row for write in self._of(what, "deleted")]

    def changed(self, what: str | type[Base]) -> list[dict[str, tuple[Any, Any]]]:
        """For each row it changed, the changed columns: name → (before, after)."""
        return [write.changes for write in self._of(what, "changed")]

    def _of(self, what: str | type[Base], kind: str) -> list[Write]:
        table = what if isinstance(what, str) else what.__tablename__
        return [write for write in self.writes if write.table == table and write.kind == kind]
