"""What can go wrong with an answer: kinds, one sentence for each, and whether asking again may help.

Pure tables; `openai_compatible/reading.py` reads what a server sent. Sentences never hold the key or the prompt.
"""

from datetime import timedelta
from enum import StrEnum

from bookbot_worker.llm.client import Completion
from bookbot_worker.outcomes import Retry
from shared.errors import BookbotError


class Kind(StrEnum):
    """What went wrong, for the ledger, the circuit breaker, and whoever sums it up."""

    RATE_LIMITED = "rate_limited"
    PROVIDER_TROUBLE = "provider_trouble"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_TOKEN_TIMEOUT = "first_token_timeout"  # noqa: S105 - a kind
    BETWEEN_TOKENS_TIMEOUT = "between_tokens_timeout"
    CUT = "cut"
    BAD_ANSWER = "bad_answer"
    EMPTY = "empty"
    CLOSED = "closed"

    TLS = "tls"
    ANSWER_TOO_LONG = "answer_too_long"
    CONTEXT_TOO_LONG = "context_too_long"
    BAD_KEY = "bad_key"
    NO_CREDIT = "no_credit"
    UNKNOWN_MODEL = "unknown_model"
    FLAGGED = "flagged"
    REDIRECTED = "redirected"
    NOT_THE_PROTOCOL = "not_the_protocol"
    REFUSED = "refused"


WORTH_REPEATING = frozenset(list(Kind)[: list(Kind).index(Kind.TLS)])
"""Asked again later, the same request may well be answered."""

SENTENCES = {
    Kind.RATE_LIMITED: "{host} takes no more requests at the moment",
    Kind.PROVIDER_TROUBLE: "{host} has trouble of its own",
    Kind.UNREACHABLE: "{host} cannot be reached",
    Kind.CONNECT_TIMEOUT: "connecting to {host} took longer than BOOKBOT_LLM_CONNECT_SECONDS",
    Kind.FIRST_TOKEN_TIMEOUT: "{host} did not begin to answer within BOOKBOT_LLM_FIRST_TOKEN_SECONDS",
    Kind.BETWEEN_TOKENS_TIMEOUT: "the answer of {host} paused for longer than BOOKBOT_LLM_BETWEEN_TOKENS_SECONDS",
    Kind.CUT: "the answer of {host} broke off before its end",
    Kind.BAD_ANSWER: "the answer of {host} cannot be read",
    Kind.EMPTY: "{host} answered without any text",
    Kind.CLOSED: "the request to {host} was closed on this side",
    Kind.TLS: "{host} does not prove who it is",
    Kind.ANSWER_TOO_LONG: "the answer of {host} is longer than BOOKBOT_LLM_ANSWER_CHARACTERS",
    Kind.CONTEXT_TOO_LONG: "the prompt is longer than the model takes; give it less context, or name another model",
    Kind.BAD_KEY: "{host} does not accept the key; check BOOKBOT_LLM_API_KEY",
    Kind.NO_CREDIT: "the account at {host} has no credit left",
    Kind.UNKNOWN_MODEL: "{host} knows no such model or address; check the model's name and BOOKBOT_LLM_BASE_URL",
    Kind.FLAGGED: "{host} refuses this prompt for its content",
    Kind.REDIRECTED: "{host} sends requests on to another address, which is not followed; check BOOKBOT_LLM_BASE_URL",
    Kind.NOT_THE_PROTOCOL: "what answers at {host} does not speak the OpenAI protocol; check BOOKBOT_LLM_BASE_URL",
    Kind.REFUSED: "{host} refuses the request",
}


class LLMError(BookbotError):
    """No answer, and asking again would not help. `partial` is what came nevertheless, and was perhaps charged for."""

    def __init__(self, kind: Kind, message: str, partial: Completion | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.partial = partial


class LLMRetry(Retry):
    """No answer; another attempt may get one, `after` so long where the server said so. `partial`: see LLMError."""

    def __init__(
        self, kind: Kind, message: str, after: timedelta | None = None, partial: Completion | None = None
    ) -> None:
        super().__init__(message, after)
        self.kind = kind
        self.partial = partial


def failure(
    kind: Kind, host: str, detail: str = "", after: timedelta | None = None, partial: Completion | None = None
) -> LLMError | LLMRetry:
    """The error to raise. `detail`, already masked, says more in the provider's own words."""
    sentence = SENTENCES[kind].format(host=host)
    message = f"{sentence}: {detail}" if detail else sentence
    if kind in WORTH_REPEATING:
        return LLMRetry(kind, message, after, partial)
    return LLMError(kind, message, partial)
