"""What a job asks of an LLM, and what it gets: one protocol, whoever answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request. None leaves the choice to the provider's settings; `max_words` is a wish, not a bound."""

    messages: tuple[Message, ...]
    model: str | None = None
    temperature: float | None = None
    max_words: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer. `cost_usd` is None where nobody knows it."""

    text: str
    provider: str
    model: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None = None


class LLM(Protocol):
    """An author that answers prompts. Implementations are safe to call from many threads."""

    def complete(self, prompt: Prompt, *, on_text: Callable[[str], None], check: Callable[[], None]) -> Completion:
        """Answer `prompt`, handing over each piece of text as it comes.

        `check` is called between pieces, at least every half second; what it raises (JobCancelled) ends the
        answer at once and passes through. Raises Retry for faults worth repeating.
        """
        ...
