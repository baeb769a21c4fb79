"""An answer in the making: what the chunks of a stream add up to. Pure; trusts nothing that a server sends."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bookbot_worker.llm.client import Completion, Prompt
from bookbot_worker.llm.errors import Kind
from bookbot_worker.llm.estimates import estimated_tokens

_MOST_TOKENS = 2**31 - 1
_MOST_DOLLARS = 1_000_000.0


class Unreadable(Exception):
    """A chunk that is no part of an answer; `kind` says of what sort."""

    def __init__(self, kind: Kind, detail: str = "") -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass(slots=True)
class Answer:
    """`has_begun`: the model has said or thought something. `finish_reason` is None until the server gives one."""

    host: str
    model: str
    asked_characters: int
    limit: int
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    has_begun: bool = False
    finish_reason: str | None = None
    refusal: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def to(cls, prompt: Prompt, host: str, model: str, limit: int) -> "Answer":
        """The empty answer of `model` to `prompt`, which may become `limit` characters long."""
        return cls(host, model, sum(len(message.content) for message in prompt.messages), limit)

    def add(self, chunk: object) -> str:
        """Take in one chunk of a stream, or a whole answer; returns the text in it. Raises Unreadable."""
        if not isinstance(chunk, Mapping):
            raise Unreadable(Kind.BAD_ANSWER, "not a JSON object")
        if isinstance(usage := chunk.get("usage"), Mapping):
            self.usage = usage
        if isinstance(model := chunk.get("model"), str) and model:
            self.model = model[:200]
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise Unreadable(Kind.BAD_ANSWER, "a part of it has no choices")
        return "".join(self._add_choice(choice) for choice in choices if isinstance(choice, Mapping))

    def _add_choice(self, choice: Mapping[str, Any]) -> str:
        if choice.get("index", 0) not in (0, None):
            return ""
        part = choice.get("delta") or choice.get("message") or {}
        if not isinstance(part, Mapping):
            raise Unreadable(Kind.BAD_ANSWER, "a part of it is no object")
        text = _text_of(part.get("content"))
        if isinstance(refusal := part.get("refusal"), str):
            self.refusal += refusal[: 1000 - len(self.refusal)]
        if text or part.get("reasoning") or part.get("reasoning_content"):
            self.has_begun = True
        self.length += len(text)
        if self.length > self.limit:
            raise Unreadable(Kind.ANSWER_TOO_LONG)
        if text:
            self.pieces.append(text)
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self.finish_reason = reason[:100]
        return text

    def check_whole(self) -> None:
        """Raises Unreadable where this is not the whole answer, or none at all."""
        if self.finish_reason is None:
            raise Unreadable(Kind.CUT)
        if self.finish_reason == "error":
            raise Unreadable(Kind.PROVIDER_TROUBLE, "it gave up in the middle of the answer")
        if "".join(self.pieces).strip():
            return
        if self.refusal or self.finish_reason == "content_filter":
            raise Unreadable(Kind.FLAGGED, self.refusal)
        if self.finish_reason == "length":
            raise Unreadable(Kind.CONTEXT_TOO_LONG, "no room was left for an answer")
        raise Unreadable(Kind.EMPTY, f"finish reason {self.finish_reason}")

    def completion(self) -> Completion:
        """All there is so far. Token counts are estimates where the server gave none; a price only where it did."""
        asked, said = _tokens(self.usage, "prompt_tokens"), _tokens(self.usage, "completion_tokens")
        cost = _dollars(self.usage.get("cost"))
        return Completion(
            text="".join(self.pieces),
            provider=self.host,
            model=self.model,
            finish_reason=self.finish_reason or "unfinished",
            input_tokens=estimated_tokens(self.asked_characters) if asked is None else asked,
            output_tokens=estimated_tokens(self.length) if said is None else said,
            cost_usd=cost,
            cost_source=None if cost is None else "provider",
            is_estimate=asked is None or said is None,
        )


def _text_of(content: object) -> str:
    """The text of a message: mostly a string, with some servers a list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        return "".join(text for text in texts if isinstance(text, str))
    raise Unreadable(Kind.BAD_ANSWER, "its content is no text")


def _tokens(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
    return value if is_count else None


def _dollars(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= _MOST_DOLLARS else None
