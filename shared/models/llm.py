"""The ledger: every call to an LLM, what it answered and what it cost."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import db_now
from shared.models.base import Base, Id, short


class LlmCall(Base):
    """One call. `status`: sent (the request left), done (the answer is here), failed, unknown (nobody knows).

    Rows outlive the rollback of their job: an answer that was paid for is kept.
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

    __table_args__ = (CheckConstraint("status IN ('sent', 'done', 'failed', 'unknown')", "status_known"),)
