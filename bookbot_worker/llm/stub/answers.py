"""One answer of the stub's: its text in pieces, what of it was sent, and the JSON it is wrapped in."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bookbot_worker.llm.estimates import CHARACTERS_PER_TOKEN, estimated_tokens
from bookbot_worker.llm.offline import MODEL
from bookbot_worker.llm.stub.faults import Fault
from bookbot_worker.llm.stub.record import cost_of

PIECES_PER_SECOND = 8
_WORDS_AT_ONCE = 25
_SLOW = 2.0
_WORD = re.compile(r"\S+\s*|\s+")

_HALVED = frozenset(
    {Fault.STALL, Fault.CUT, Fault.UNFINISHED, Fault.BAD_JSON, Fault.ERROR_INSIDE, Fault.LENGTH, Fault.FILTER}
)


@dataclass(slots=True)
class StubAnswer:
    """`sent` counts the characters that left; they are what is charged for."""

    number: int
    text: str
    finish_reason: str
    input_tokens: int
    fault: Fault | None
    sent: int = 0

    @classmethod
    def of(
        cls, number: int, text: str, input_tokens: int, fault: Fault | None, most_tokens: int | None
    ) -> "StubAnswer":
        """What of the author's `text` is answered under this fault, and with which finish reason."""
        finish_reason = "stop"
        if most_tokens is not None and estimated_tokens(len(text)) > most_tokens:
            text, finish_reason = text[: most_tokens * CHARACTERS_PER_TOKEN], "length"
        if fault in _HALVED:
            text = text[: len(text) // 2]
        if fault is Fault.EMPTY:
            text = ""
        finish_reason = {Fault.LENGTH: "length", Fault.FILTER: "content_filter"}.get(fault or Fault.CUT, finish_reason)
        return cls(number, text, finish_reason, input_tokens, fault)

    def pieces(self, words_per_second: float) -> Iterator[tuple[str, float]]:
        """The text in pieces, each with the seconds to wait after it."""
        speed = _SLOW if self.fault is Fault.SLOW else words_per_second
        size = max(1, round(speed / PIECES_PER_SECOND)) if speed else _WORDS_AT_ONCE
        words = _WORD.findall(self.text)
        while True:
            for start in range(0, len(words), size):
                chosen = words[start : start + size]
                yield "".join(chosen), (len(chosen) / speed if speed else 0.0)
            if self.fault is not Fault.ENDLESS:
                return

    @property
    def output_tokens(self) -> int:
        """Of what was sent."""
        return estimated_tokens(self.sent)

    @property
    def cost(self) -> float:
        """In US dollars, for what was sent, and for the prompt once anything was."""
        return cost_of(self.input_tokens, self.output_tokens) if self.sent else 0.0

    def usage(self) -> dict[str, Any]:
        """As OpenRouter sends it: with the cost."""
        counts: dict[str, Any] = {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
        }
        return counts if self.fault is Fault.NO_COST else counts | {"cost": self.cost}

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        """One event of the stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return self._document("chat.completion.chunk") | {"choices": [choice]}

    def usage_chunk(self) -> dict[str, Any]:
        """The last event, which has no text."""
        return self._document("chat.completion.chunk") | {"choices": [], "usage": self.usage()}

    def whole(self) -> dict[str, Any]:
        """All in one document."""
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        usage = {} if self.fault is Fault.NO_USAGE else {"usage": self.usage()}
        return self._document("chat.completion") | {"choices": [choice]} | usage

    def _document(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.number}", "object": kind, "created": int(time.time()), "model": MODEL}
