"""The LLM as a job sees it: asking parks the job, every answer is logged, what was paid for is asked only once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bookbot_worker.llm.client import LLM, Completion, Listener, Prompt
from bookbot_worker.llm.desk import Desk, Life
from bookbot_worker.llm.ledger import Answer, JobLedger
from bookbot_worker.llm.ledger_rows import Run

__all__ = ["Desk", "JobLLM", "JobLedger", "Life", "Log", "Run"]


class Log(Protocol):
    """`BaseJob.log`, also called the log callback of function-based jobs."""

    def __call__(self, message: str, level: str = "INFO", **props: object) -> None: ...


@dataclass(frozen=True, slots=True)
class JobLLM:
    """Bound to one attempt of one job. Without a ledger (a job run by hand) every call asks the author."""

    author: LLM
    parked: Callable[[], AbstractContextManager[None]]
    check_cancelled: Callable[[], None]
    closing: Callable[[Callable[[], object]], AbstractContextManager[None]]
    log: Log
    ledger: JobLedger | None = None
    show_answer: Callable[[], Callable[[str], None]] = lambda: _unseen

    def complete(self, prompt: Prompt, on_text: Callable[[str], None] | None = None) -> Completion:
        """Ask and wait, holding no database connection. What an earlier run was answered is answered again, for free.

        Raises JobCancelled as soon as the job is asked to stop, Retry for faults worth repeating, Snooze where a
        budget, a limit or a pause of the provider's stands in the way. Let all of them pass.
        """
        self.check_cancelled()
        listener = Listener(self._told(on_text), self.check_cancelled, self.closing)
        with self.parked():
            if self.ledger is None:
                answer = Answer(self.author.complete(prompt, listener), is_replay=False)
            else:
                answer = self.ledger.complete(prompt, listener)
        completion = answer.completion
        came = "was answered before; from the ledger, for free:" if answer.is_replay else "answered with"
        self.log(
            f"{completion.model} {came} {len(completion.text.split())} words",
            provider=completion.provider,
            model=completion.model,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            finish_reason=completion.finish_reason,
            cost_usd=completion.cost_usd,
        )
        return completion

    def _told(self, on_text: Callable[[str], None] | None) -> Callable[[str], None]:
        """What is told of each piece: whoever watches the job, and the job."""
        show = self.show_answer()
        if on_text is None:
            return show

        def heard(piece: str) -> None:
            show(piece)
            on_text(piece)

        return heard


def _unseen(_piece: str) -> None:
    """Nobody watches a job that is run by hand."""
