"""The ledger: every call to an LLM, what it answered and what it cost; and which providers are paused."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import db_now
from shared.models.base import Base, Id, short

_IN_FLIGHT = text("status = 'sent'")


class LlmCall(Base):
    """One call. `status`: sent (the request left), done (the answer is here), failed, unknown (nobody knows).

    Rows outlive the rollback of their job: an answer that was paid for is kept. When a job runs again, the row with
    its `request_hash`, `occurrence` (the same request for the n-th time) and `epoch` (`jobs.llm_epoch`) answers.
    `model` is what was asked for, `answered_model` the name in the answer. A `sent` row whose `claim_id` runs no more
    counts as unknown, whether it has been marked or not. `is_estimate`: the token counts are ours, not the provider's.
    """

    __tablename__ = "llm_calls"

    call_id: Mapped[str] = mapped_column(Id, primary_key=True)
    job_id: Mapped[str | None] = mapped_column(Id, index=True)
    book_id: Mapped[str | None] = mapped_column(Id, index=True)
    chunk_id: Mapped[str | None] = mapped_column(Id)
    attempt: Mapped[int]
    seq: Mapped[int]
    request_hash: Mapped[str] = mapped_column(short(64))
    provider: Mapped[str] = mapped_column(short(64))
    model: Mapped[str] = mapped_column(short(200))
    request: Mapped[dict[str, Any]]
    response: Mapped[str | None]
    finish_reason: Mapped[str | None] = mapped_column(short(32))
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    cost_usd: Mapped[float | None]
    latency_ms: Mapped[int | None]
    status: Mapped[str] = mapped_column(short(16))
    created_at: Mapped[datetime] = mapped_column(server_default=db_now())
    claim_id: Mapped[str | None] = mapped_column(Id)
    epoch: Mapped[int] = mapped_column(server_default="0")
    occurrence: Mapped[int] = mapped_column(server_default="1")
    answered_model: Mapped[str | None] = mapped_column(short(200))
    cost_source: Mapped[str | None] = mapped_column(short(32))
    is_estimate: Mapped[bool] = mapped_column(server_default=false())
    error_kind: Mapped[str | None] = mapped_column(short(32))
    error: Mapped[str | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('sent', 'done', 'failed', 'unknown')", "status_known"),
        Index("llm_calls_created_at", "created_at"),
        Index("llm_calls_of_model", "model", "created_at"),
        Index("llm_calls_in_flight", "model", postgresql_where=_IN_FLIGHT, sqlite_where=_IN_FLIGHT),
    )


class LlmCircuit(Base):
    """A model of a provider that has failed lately; no row means that all is well. See `llm/breaker.py`.

    `failures` in a row, the last at `failed_at`. From `failures` of the settings on it is open: nobody asks before
    `open_until`, then one call does (`probe_call_id`, given up at `probe_until`). `openings` makes each pause longer.
    """

    __tablename__ = "llm_circuits"

    provider: Mapped[str] = mapped_column(short(64), primary_key=True)
    model: Mapped[str] = mapped_column(short(200), primary_key=True)
    failures: Mapped[int]
    openings: Mapped[int]
    failed_at: Mapped[datetime]
    open_until: Mapped[datetime | None]
    probe_call_id: Mapped[str | None] = mapped_column(Id)
    probe_until: Mapped[datetime | None]
    reason: Mapped[str]
