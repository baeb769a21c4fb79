"""What the ledger notes about the end of a call, and the answer that an entry stands for. Pure."""

from typing import Any

from sqlalchemy import Row

from bookbot_worker.failure_text import describe
from bookbot_worker.llm.client import Completion
from bookbot_worker.llm.errors import Kind
from bookbot_worker.llm.estimates import estimated_tokens
from bookbot_worker.llm.ledger_rows import Asked
from bookbot_worker.llm.prices import Cost, Prices
from bookbot_worker.llm.request import storable
from bookbot_worker.outcomes import JobCancelled, Retry

_TROUBLE = frozenset(
    {
        Kind.RATE_LIMITED,
        Kind.PROVIDER_TROUBLE,
        Kind.UNREACHABLE,
        Kind.CONNECT_TIMEOUT,
        Kind.FIRST_TOKEN_TIMEOUT,
        Kind.BETWEEN_TOKENS_TIMEOUT,
        Kind.CUT,
    }
)
"""Failures of the provider's, not of this request: they count for the circuit breaker."""

FROM_LEDGER = "ledger"
"""Source of the cost of an answer that was replayed: it is free."""


def done_entry(completion: Completion, cost: Cost, latency_ms: int) -> dict[str, Any]:
    """The columns of a call that was answered."""
    return {"status": "done", "response": completion.text, **_of_answer(completion, cost), "latency_ms": latency_ms}


def failed_entry(error: BaseException, heard: str, asked: Asked, prices: Prices, latency_ms: int) -> dict[str, Any]:
    """The columns of a call that failed; `heard` is what had come of the answer, and was probably charged for."""
    entry: dict[str, Any] = {
        "status": "failed",
        "error_kind": kind_of(error),
        "error": describe(error),
        "latency_ms": latency_ms,
    }
    partial: Completion | None = getattr(error, "partial", None)
    if partial is None and (heard or isinstance(error, JobCancelled)):
        partial = _estimate(heard, asked)
    if partial is None:
        return entry
    entry |= _of_answer(partial, prices.cost_of(partial, asked.model))
    return entry | {"response": storable(partial.text) or None}


def kind_of(error: BaseException) -> str:
    """The word the ledger keeps for a failure."""
    if isinstance(error, JobCancelled):
        return "cancelled"
    return str(getattr(error, "kind", "") or type(error).__name__)[:32]


def is_trouble(error: BaseException) -> bool:
    """Whether the provider failed, so that others who ask it now would fail too."""
    kind = getattr(error, "kind", None)
    return isinstance(error, Retry) if kind is None else kind in _TROUBLE


def kept_completion(row: Row[Any]) -> Completion:
    """The answer a row holds, as it was given; this time it costs nothing."""
    return Completion(
        text=row.response or "",
        provider=row.provider,
        model=row.answered_model or row.model,
        finish_reason=row.finish_reason or "stop",
        input_tokens=row.input_tokens or 0,
        output_tokens=row.output_tokens or 0,
        cost_usd=0.0,
        cost_source=FROM_LEDGER,
        is_estimate=row.is_estimate,
    )


def _of_answer(completion: Completion, cost: Cost) -> dict[str, Any]:
    return {
        "provider": storable(completion.provider)[:64],
        "answered_model": storable(completion.model)[:200],
        "finish_reason": storable(completion.finish_reason)[:32],
        "input_tokens": completion.input_tokens,
        "output_tokens": completion.output_tokens,
        "cost_usd": cost.usd,
        "cost_source": cost.source,
        "is_estimate": completion.is_estimate,
    }


def _estimate(heard: str, asked: Asked) -> Completion:
    """About what a call has used that was broken off: no provider says so then."""
    prompt = sum(len(message["content"]) for message in asked.request["messages"])
    return Completion(
        text=heard,
        provider=asked.provider,
        model=asked.model,
        finish_reason="unfinished",
        input_tokens=estimated_tokens(prompt),
        output_tokens=estimated_tokens(len(heard)),
        is_estimate=True,
    )
