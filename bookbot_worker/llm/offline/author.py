"""OfflineAuthor: the LLM that needs no network, no key and no money, and is no language model.

Owns the protocol: streaming, speed, cancelling, token counts. What is said is composed by its neighbours.
"""

import re
import threading
from collections.abc import Callable, Iterator

from bookbot_worker.llm.client import Completion, Listener, Prompt
from bookbot_worker.llm.errors import failure
from bookbot_worker.llm.offline.provoked import (
    BREAKS,
    FINISHES,
    HALVED,
    REFUSALS,
    SLOW_WORDS_PER_SECOND,
    Fault,
    fault_in,
)

PROVIDER = "offline"
MODEL = "offline-author-1"

_PIECE = re.compile(r"\S+\s*|\s+")
_CHARACTERS_PER_TOKEN = 4
_PIECES_PER_SECOND = 8
_WORDS_AT_ONCE = 50
_LONGEST_PAUSE = 0.25
_HOST, _ON_REQUEST = "the offline author", "as the model's name asks for"


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class OfflineAuthor:
    """A demonstration generator behind the LLM protocol.

    It recognises prompts for an outline, characters, settings, scenes and their revision, reads names, places and plot
    from the brief in them, and composes an answer from tables of sentences, at the length asked for, as prose or, where
    the prompt has a shape, as JSON. What was cut off it continues where it ended. The same prompt always
    gives the same answer. It understands nothing: its books show what the system does, not what a model can write.
    Its answers carry provider "offline", so that everyone who shows them can say so.

    `words_per_second` slows the stream down to look at (0: at once); `pause` waits that many seconds.
    """

    def __init__(self, words_per_second: float = 0.0, pause: Callable[[float], None] = _pause) -> None:
        if not words_per_second >= 0:
            raise ValueError(f"words_per_second is {words_per_second}; it must be 0 or more")
        self._words_per_second = words_per_second
        self._pause = pause

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        """See `LLM.complete`. Raises what `check` raises, and the LLMRetry or LLMError that a model's name asks for."""
        check, fault = listener.check, fault_in(prompt.model)
        check()
        if fault in REFUSALS:
            raise failure(REFUSALS[fault], _HOST, _ON_REQUEST)
        while fault is Fault.HANG:
            self._pause(_LONGEST_PAUSE)
            check()
        from bookbot_worker.llm.offline.composing import compose  # tables that only those load whom it writes for

        text = compose(prompt)
        if fault in HALVED:
            text = text[: len(text) // 2]
        speed = SLOW_WORDS_PER_SECOND if fault is Fault.SLOW else self._words_per_second
        for piece, words in _pieces(text, speed):
            check()
            listener.on_text(piece)
            self._wait(words / speed if speed else 0.0, check)
        check()
        completion = Completion(
            text=text,
            provider=PROVIDER,
            model=MODEL,
            finish_reason=FINISHES.get(fault, "stop") if fault else "stop",
            input_tokens=_tokens(sum(len(message.content) for message in prompt.messages)),
            output_tokens=_tokens(len(text)),
            cost_usd=0.0,
            cost_source="provider",
        )
        if fault in BREAKS:
            raise failure(BREAKS[fault], _HOST, _ON_REQUEST, partial=completion)
        return completion

    def _wait(self, seconds: float, check: Callable[[], None]) -> None:
        while seconds > 0:
            self._pause(min(seconds, _LONGEST_PAUSE))
            seconds -= _LONGEST_PAUSE
            check()


def _pieces(text: str, speed: float) -> Iterator[tuple[str, int]]:
    """The text in pieces of a few words, each with its number of words."""
    size = max(1, round(speed / _PIECES_PER_SECOND)) if speed else _WORDS_AT_ONCE
    words = _PIECE.findall(text)
    for start in range(0, len(words), size):
        chosen = words[start : start + size]
        yield "".join(chosen), len(chosen)


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)
