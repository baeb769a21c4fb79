"""What a server says when it does not answer, as a Kind. Pure: statuses, codes and words, as servers use them.

The codes are OpenAI's (platform.openai.com/docs/guides/error-codes) and OpenRouter's (openrouter.ai/docs/api-reference/
errors); the words are what llama.cpp, vLLM and Ollama put into their messages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bookbot_worker.llm.errors import Kind

_CODES = {
    "context_length_exceeded": Kind.CONTEXT_TOO_LONG,
    "exceed_context_size_error": Kind.CONTEXT_TOO_LONG,
    "string_above_max_length": Kind.CONTEXT_TOO_LONG,
    "insufficient_quota": Kind.NO_CREDIT,
    "billing_hard_limit_reached": Kind.NO_CREDIT,
    "billing_not_active": Kind.NO_CREDIT,
    "invalid_api_key": Kind.BAD_KEY,
    "model_not_found": Kind.UNKNOWN_MODEL,
    "content_filter": Kind.FLAGGED,
    "content_policy_violation": Kind.FLAGGED,
    "rate_limit_exceeded": Kind.RATE_LIMITED,
    "server_error": Kind.PROVIDER_TROUBLE,
    "overloaded_error": Kind.PROVIDER_TROUBLE,
}

_STATUSES = {
    401: Kind.BAD_KEY,
    402: Kind.NO_CREDIT,
    403: Kind.BAD_KEY,
    404: Kind.UNKNOWN_MODEL,
    408: Kind.PROVIDER_TROUBLE,
    409: Kind.PROVIDER_TROUBLE,
    413: Kind.CONTEXT_TOO_LONG,
    425: Kind.PROVIDER_TROUBLE,
    429: Kind.RATE_LIMITED,
}

_CONTEXT = re.compile(
    r"context (?:length|window|size)|maximum context|prompt is too long|too many (?:input )?tokens|input is too long"
)
_CREDIT = re.compile(r"insufficient (?:credits?|quota|balance|funds)|out of credits?|credit balance|more credits")
_MODEL = re.compile(r"not a valid model|model\b.{0,120}\b(?:not found|does not exist|not exist)|no endpoints found")
_FLAGGED = re.compile(r"\bmoderation\b|\bflagged\b|content (?:policy|filter|management)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error as the server put it. `status` is 0 where it came in the middle of a stream and names none."""

    status: int
    code: str = ""
    type: str = ""
    param: str = ""
    message: str = ""

    @classmethod
    def of(cls, status: int, body: object) -> "Complaint":
        """Read the body of an error, or the `error` object in it, in any of the forms in use."""
        error = body.get("error", body) if isinstance(body, Mapping) else body
        if not isinstance(error, Mapping):
            return cls(status, message=_words(error))
        code = error.get("code")
        if not status and isinstance(code, int) and 300 <= code < 600:
            status = code
        message = _words(error.get("message")) or _words(error.get("detail"))
        metadata = error.get("metadata")
        if isinstance(metadata, Mapping) and isinstance(raw := metadata.get("raw"), str):
            message = f"{message}: {raw}"  # OpenRouter: what the provider behind it said
        return cls(status, _name(code), _name(error.get("type")), _name(error.get("param")), message)

    @property
    def kind(self) -> Kind:
        """What is wrong: by its code, then by its words where the status says little, then by the status."""
        if kind := _CODES.get(self.code) or _CODES.get(self.type):
            return kind
        said = self.message.lower()
        if self.status in {0, 400, 403, 404, 413, 422, 429} and _CREDIT.search(said):
            return Kind.NO_CREDIT
        if self.status in {0, 400, 413, 422, 500} and _CONTEXT.search(said):
            return Kind.CONTEXT_TOO_LONG
        if self.status in {0, 400, 404, 422} and _MODEL.search(said):
            return Kind.UNKNOWN_MODEL
        if self.status in {0, 400, 403, 422} and _FLAGGED.search(said):
            return Kind.FLAGGED
        if kind := _STATUSES.get(self.status):
            return kind
        if 300 <= self.status < 400:
            return Kind.REDIRECTED
        return Kind.PROVIDER_TROUBLE if self.status >= 500 or not self.status else Kind.REFUSED

    @property
    def is_understood(self) -> bool:
        """Whether it is about something else than the form of the request."""
        return self.kind not in {Kind.REFUSED, Kind.UNKNOWN_MODEL, Kind.PROVIDER_TROUBLE}

    @property
    def words(self) -> str:
        """What to tell people, before masking."""
        return (
            f"{self.message} (status {self.status})"
            if self.status and self.message
            else (self.message or (f"status {self.status}" if self.status else ""))
        )


def _words(value: object) -> str:
    """A text of the server's, unless it is a page for browsers."""
    text = value if isinstance(value, str) else ""
    return "" if text.lstrip()[:1] == "<" else text


def _name(value: object) -> str:
    return str(value)[:100] if isinstance(value, str | int) and not isinstance(value, bool) else ""
