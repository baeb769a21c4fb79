"""What a job asked LLMs, as a list that stays small whatever the texts hold, and one call with its texts.

`llm.py` has the sums, and the whole conversation for those who read it at once.
"""

from typing import Any

from sqlalchemy import String, and_, case, cast, func, select
from sqlalchemy.orm import Session

from shared.errors import InvalidInput, NotFound
from shared.ids import check_id
from shared.models import IS_RUNNING, Job, LlmCall

MAX_CALLS = 500
_TEXTS = {"request", "response"}
_IS_LOST = and_(LlmCall.status == "sent", Job.claim_id.is_(None) | (Job.claim_id != LlmCall.claim_id) | ~IS_RUNNING)
_SHOWN = (
    *(column for column in LlmCall.__table__.columns if column.name not in _TEXTS | {"status"}),
    case((_IS_LOST, "unknown"), else_=LlmCall.status).label("status"),
    (LlmCall.epoch < Job.llm_epoch).label("is_ignored"),
)


def list_calls(session: Session, job_id: str, *, limit: int = MAX_CALLS) -> list[dict[str, Any]]:
    """The calls of a job, the oldest first, without their texts: columns of `llm_calls`, `is_ignored`, and

    `request_characters` and `response_characters`. `status` and `is_ignored` are as in `llm.job_calls`.
    """
    query = (
        select(
            *_SHOWN,
            func.length(cast(LlmCall.request, String)).label("request_characters"),
            func.coalesce(func.length(LlmCall.response), 0).label("response_characters"),
        )
        .join(Job, Job.job_id == LlmCall.job_id)
        .where(LlmCall.job_id == check_id("job_id", job_id))
        .order_by(LlmCall.created_at, LlmCall.call_id)
        .limit(limit)
    )
    return [dict(row) for row in session.execute(query).mappings()]


def get_call(session: Session, job_id: str, call_id: str) -> dict[str, Any]:
    """One call of a job, with `request` and `response`. Raises NotFound."""
    try:
        check_id("call_id", call_id)
    except InvalidInput:
        raise NotFound("call", call_id) from None
    query = select(*_SHOWN, LlmCall.request, LlmCall.response).join(Job, Job.job_id == LlmCall.job_id)
    query = query.where(LlmCall.call_id == call_id, LlmCall.job_id == job_id)
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound("call", call_id)
    return dict(row)
