"""What is to be written about one attempt when it is settled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bookbot_worker.outcomes import Completed, Outcome
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.telemetry.joblog import LogLine


@dataclass(frozen=True, slots=True)
class Settlement:
    """All that is to be written about one attempt, besides the job's own writes."""

    holder: Candidate
    claim_id: str
    outcome: Outcome
    lines: Sequence[LogLine] = ()
    log_count: int | None = None
    progress: tuple[float, str | None] | None = None
    result: dict[str, Any] | None = None

    @property
    def job_id(self) -> str:
        """The job."""
        return self.holder.job_id

    @property
    def kind(self) -> type[Any]:
        """The type of the outcome, which decides the new state."""
        return type(self.outcome)

    @property
    def is_plain(self) -> bool:
        """Completed with nothing to say but its lines: many of these share one statement."""
        return isinstance(self.outcome, Completed) and self.progress is None and self.result is None
