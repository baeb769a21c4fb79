"""What the stub can do wrong on request, and when: by the model's name, by a header, or by the request's number."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """Its name is what is typed. A comment says what the client sees."""

    RATE_LIMIT = "429"  # status 429 with Retry-After
    QUOTA = "quota"  # status 429 with code insufficient_quota
    TROUBLE = "500"
    OVERLOAD = "503"
    BAD_KEY = "bad-key"  # status 401, and the key in its message
    NO_CREDIT = "no-credit"  # status 402
    CONTEXT = "context"  # status 400, context_length_exceeded
    NO_MODEL = "no-model"  # status 404
    REDIRECT = "redirect"  # status 307 to another name of this host

    NO_SCHEMA = "no-schema"  # status 400 where there is a response_format
    NO_OPTIONS = "no-options"  # status 400 where there are stream_options
    NO_TEMPERATURE = "no-temperature"  # status 400 where there is a temperature

    HANG = "hang"  # no answer, ever
    STALL = "stall"  # half of the text, then silence
    CUT = "cut"  # half of the text, then the connection ends
    UNFINISHED = "unfinished"  # half of the text, then a clean end without finish_reason
    BAD_JSON = "bad-json"  # half of the text, then something that is not JSON
    ERROR_INSIDE = "error-inside"  # half of the text, then an error in the stream
    LENGTH = "length"  # half of the text, finish_reason "length"
    FILTER = "filter"  # half of the text, finish_reason "content_filter"
    SLOW = "slow"  # two words a second
    ENDLESS = "endless"  # the text again and again, as fast as it is read
    EMPTY = "empty"  # no text, finish_reason "stop"
    HTML = "html"  # a page for browsers, with status 200
    NO_STREAM = "no-stream"  # one JSON document, though a stream was asked for
    NO_USAGE = "no-usage"  # no token counts
    NO_COST = "no-cost"  # token counts without cost


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault for the requests from number `first` to number `last`, counted from 1; None: to the end."""

    fault: Fault
    first: int = 1
    last: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """`FAULT`, `FAULT@N` or `FAULT@N-M`. Raises ValueError that lists the faults."""
        found = re.fullmatch(r"([a-z0-9-]+?)(?:@(\d{1,9})(?:-(\d{1,9}))?)?", text)
        if found is None or found[1] not in set(Fault):
            raise ValueError(f"{text!r} is no FAULT, FAULT@N or FAULT@N-M; faults: {', '.join(Fault)}")
        first = int(found[2] or 1)
        last = int(found[3] or first) if found[2] else None
        if first < 1 or (last is not None and last < first):
            raise ValueError(f"{text!r}: requests are counted from 1")
        return cls(Fault(found[1]), first, last)

    def is_for(self, number: int) -> bool:
        """Whether it strikes request `number`."""
        return self.first <= number and (self.last is None or number <= self.last)


def split_model(model: str) -> tuple[str, Fault | None]:
    """`offline-author-1:cut` → the model, and the fault it asks for; other names with a colon are just names."""
    name, _, last = model.rpartition(":")
    return (name, Fault(last)) if name and last in set(Fault) else (model, None)


def choose(rules: Sequence[Rule], number: int, by_model: Fault | None, by_header: str) -> Fault | None:
    """The fault of request `number`: the header's, else the model's, else that of the first rule for it."""
    if by_header in set(Fault):
        return Fault(by_header)
    return by_model or next((rule.fault for rule in rules if rule.is_for(number)), None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error."""

    status: int
    message: str
    code: str | None = None
    type: str = "invalid_request_error"
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        """As OpenAI words it."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


_REFUSALS = {
    Fault.QUOTA: Refusal(429, "You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
    Fault.TROUBLE: Refusal(500, "The server had an error while processing your request.", type="server_error"),
    Fault.OVERLOAD: Refusal(503, "The engine is currently overloaded.", type="server_error"),
    Fault.NO_CREDIT: Refusal(402, "Insufficient credits. Add more and retry."),
    Fault.CONTEXT: Refusal(400, "This model's maximum context length is 16 tokens.", "context_length_exceeded"),
    Fault.NO_MODEL: Refusal(404, "The model does not exist or you do not have access to it.", "model_not_found"),
}

_REFUSED_OPTIONS = {
    Fault.NO_SCHEMA: "response_format",
    Fault.NO_OPTIONS: "stream_options",
    Fault.NO_TEMPERATURE: "temperature",
}


def refusal_for(fault: Fault | None, body: dict[str, Any], key: str, retry_after: str) -> Refusal | None:
    """The error that `fault` makes of a request with this body and key; None where it strikes later, or not at all."""
    if fault is Fault.RATE_LIMIT:
        wait = (("Retry-After", retry_after),) if retry_after else ()
        return Refusal(429, "Rate limit reached for requests.", "rate_limit_exceeded", "requests", headers=wait)
    if fault is Fault.BAD_KEY:
        return Refusal(401, f"Incorrect API key provided: {key}.", "invalid_api_key")
    if fault in _REFUSED_OPTIONS and (option := _REFUSED_OPTIONS[fault]) in body:
        return Refusal(400, f"Unsupported parameter: '{option}'.", "unsupported_parameter", param=option)
    return _REFUSALS.get(fault) if fault else None
