"""The LLM as a job sees it: asking parks the job, every answer is logged."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bookbot_worker.llm.client import LLM, Completion, Listener, Prompt


class Log(Protocol):
    """`BaseJob.log`, also called the log callback of function-based jobs."""

    def __call__(self, message: str, level: str = "INFO", **props: object) -> None: ...


@dataclass(frozen=True, slots=True)
class JobLLM:
    """Bound to one attempt of one job."""

    author: LLM
    parked: Callable[[], AbstractContextManager[None]]
    check_cancelled: Callable[[], None]
    closing: Callable[[Callable[[], object]], AbstractContextManager[None]]
    before_spending: Callable[[], None]
    log: Log

    def complete(self, prompt: Prompt, on_text: Callable[[str], None] | None = None) -> Completion:
        """Ask and wait, holding no database connection.

        Raises JobCancelled as soon as the job is asked to stop, Retry for faults worth repeating.
        """
        self.check_cancelled()
        with self.parked():
            self.before_spending()
            listener = Listener(on_text or (lambda _piece: None), self.check_cancelled, self.closing)
            completion = self.author.complete(prompt, listener)
        self.log(
            f"{completion.model} answered with {len(completion.text.split())} words",
            provider=completion.provider,
            model=completion.model,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            finish_reason=completion.finish_reason,
        )
        return completion
