"""What the offline author does wrong on request: `offline-author-1:cut` as a model asks for it. For demos and tests.

The names are those of `llm-stub`; what a job sees is what it would see of a server.
"""

from enum import StrEnum

from bookbot_worker.llm.errors import Kind


class Fault(StrEnum):
    """Its name is what is typed. REFUSALS come instead of an answer, BREAKS after half of it."""

    RATE_LIMIT = "429"
    TROUBLE = "500"
    BAD_KEY = "bad-key"
    NO_CREDIT = "no-credit"
    CONTEXT = "context"
    NO_MODEL = "no-model"
    EMPTY = "empty"
    CUT = "cut"
    BAD_JSON = "bad-json"
    LENGTH = "length"  # half of the text, finish_reason "length"
    FILTER = "filter"  # half of the text, finish_reason "content_filter"
    HANG = "hang"  # no answer, until nobody waits for it any more
    SLOW = "slow"  # two words a second


REFUSALS = {
    Fault.RATE_LIMIT: Kind.RATE_LIMITED,
    Fault.TROUBLE: Kind.PROVIDER_TROUBLE,
    Fault.BAD_KEY: Kind.BAD_KEY,
    Fault.NO_CREDIT: Kind.NO_CREDIT,
    Fault.CONTEXT: Kind.CONTEXT_TOO_LONG,
    Fault.NO_MODEL: Kind.UNKNOWN_MODEL,
    Fault.EMPTY: Kind.EMPTY,
}
BREAKS = {Fault.CUT: Kind.CUT, Fault.BAD_JSON: Kind.BAD_ANSWER}
FINISHES = {Fault.LENGTH: "length", Fault.FILTER: "content_filter"}
HALVED = BREAKS.keys() | FINISHES.keys()

SLOW_WORDS_PER_SECOND = 2.0


def fault_in(model: str | None) -> Fault | None:
    """The fault that a model's name asks for, None where it asks for none."""
    _, colon, last = (model or "").rpartition(":")
    return Fault(last) if colon and last in set(Fault) else None
