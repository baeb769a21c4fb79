"""An author whose answers a test has written down. It stands where the worker's LLM stands: ledger and limits apply."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bookbot_worker.llm.client import Completion, Listener, Prompt
from bookbot_worker.llm.errors import Kind, failure

PROVIDER = "scripted"


@dataclass(frozen=True, slots=True)
class Slow:
    """The answer comes after so many seconds, unless the job is asked to stop meanwhile."""

    answer: "Answer"
    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """This much of an answer comes, then the connection breaks: what a provider's bad minute looks like to a job."""

    text: str


Answer = str | Completion | BaseException | Slow | Cut | Callable[[Prompt], Any]
"""What a script may hold: a text, a Completion, an exception to raise, or a function from the prompt to any of them."""


class ScriptedLLM:
    """Answers in the order of the script; when that is used up, by the function `by`, if there is one.

    `prompts` are those that were asked, in order. Asked more often than there are answers, it raises AssertionError,
    with which the job ends in `error`. `cost_usd` is what each text costs; None: nobody knows. Safe from many threads.
    """

    def __init__(
        self, *answers: Answer, by: Callable[[Prompt], Answer] | None = None, cost_usd: float | None = None
    ) -> None:
        self.prompts: list[Prompt] = []
        self._script = deque(answers)
        self._by = by
        self._cost_usd = cost_usd
        self._lock = threading.Lock()

    def will_answer(self, *answers: Answer) -> None:
        """Add to the end of the script."""
        with self._lock:
            self._script.extend(answers)

    @property
    def unused(self) -> int:
        """How many answers are left in the script."""
        return len(self._script)

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        """See `LLM.complete`."""
        with self._lock:
            self.prompts.append(prompt)
            answer: Answer | None = self._script.popleft() if self._script else self._by
        if answer is None:
            question = prompt.messages[-1].content if prompt.messages else ""
            raise AssertionError(f"the script has no answer left for the prompt: {question[:200]!r}")
        return self._give(answer, prompt, listener)

    def _give(self, answer: Answer, prompt: Prompt, listener: Listener) -> Completion:
        match answer:
            case Slow():
                _wait(answer.seconds, listener)
                return self._give(answer.answer, prompt, listener)
            case Cut():
                _tell(answer.text, listener)
                raise failure(Kind.CUT, PROVIDER, partial=self._completion(answer.text, prompt, "unfinished"))
            case BaseException():
                raise answer
            case Completion():
                _tell(answer.text, listener)
                return answer
            case str():
                _tell(answer, listener)
                return self._completion(answer, prompt, "stop")
            case _:
                return self._give(answer(prompt), prompt, listener)

    def _completion(self, text: str, prompt: Prompt, finish_reason: str) -> Completion:
        asked = sum(len(message.content.split()) for message in prompt.messages)
        source = None if self._cost_usd is None else "provider"
        model = prompt.model or "scripted-1"
        return Completion(
            text, PROVIDER, model, finish_reason, asked, len(text.split()), self._cost_usd, source, is_estimate=False
        )


def _tell(text: str, listener: Listener) -> None:
    """Line by line, looking whether the answer is still wanted."""
    for piece in text.splitlines(keepends=True):
        listener.check()
        listener.on_text(piece)


def _wait(seconds: float, listener: Listener) -> None:
    is_unwanted = threading.Event()
    with listener.closing(is_unwanted.set):
        is_unwanted.wait(seconds)
    listener.check()
