"""What a job asks of an LLM, and what it gets: one protocol, whoever answers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request. None leaves the choice to the provider's settings; `max_words` is a wish, not a bound.

    `shape` asks for an answer that is JSON of this form; a provider that cannot promise it answers as it likes.
    """

    messages: tuple[Message, ...]
    model: str | None = None
    temperature: float | None = None
    max_words: int | None = None
    shape: "Shape | None" = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The JSON an answer should be: a name for the provider, and a JSON Schema (draft 2020-12)."""

    name: str
    json_schema: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer. `cost_usd` is None where nobody knows it; `cost_source` says who does.

    `is_estimate`: the token counts are the client's own estimate, because the provider gave none.
    """

    text: str
    provider: str
    model: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None = None
    cost_source: str | None = None
    is_estimate: bool = False


def _ignore(_piece: str) -> None:
    """Nobody reads along."""


def _go_on() -> None:
    """Nobody ever asks to stop."""


def _never(_close: Callable[[], object]) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Listener:
    """Who waits for an answer.

    `on_text` is given each piece of text as it comes. `check` is called between pieces, at least every half second
    while the answer comes; what it raises (JobCancelled) ends the answer at once and passes through.
    `closing(close)` is a context manager: while its block runs, `close` is called from another thread as soon as the
    answer is not wanted any more, and what the block raises because of that becomes JobCancelled.
    """

    on_text: Callable[[str], None] = _ignore
    check: Callable[[], None] = _go_on
    closing: Callable[[Callable[[], object]], AbstractContextManager[None]] = _never


class LLM(Protocol):
    """An author that answers prompts. Implementations are safe to call from many threads."""

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        """Answer `prompt`, in the calling thread, from the job's thread. Raises Retry for faults worth repeating."""
        ...
