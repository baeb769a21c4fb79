"""What was asked of LLMs, what they answered, and what it cost: read from the ledger, which is the only source.

Sums are of what is known: calls nobody knows the price of are counted as `unpriced`. An answer that was given again
from the ledger is no call, so it is in no sum.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Date, String, and_, case, cast, func, select
from sqlalchemy.orm import Session

from shared.clock import db_now
from shared.database import is_postgresql
from shared.errors import InvalidInput
from shared.models import IS_RUNNING, Job, LlmCall

By = Literal["day", "book", "model", "job", "source"]
GROUPS: tuple[By, ...] = get_args(By)

_SUMS = (
    func.count().label("calls"),
    func.coalesce(func.sum(LlmCall.input_tokens), 0).label("input_tokens"),
    func.coalesce(func.sum(LlmCall.output_tokens), 0).label("output_tokens"),
    func.coalesce(func.sum(LlmCall.cost_usd), 0.0).label("cost_usd"),
    func.coalesce(func.sum(case((LlmCall.cost_source == "unknown", 1), else_=0)), 0).label("unpriced"),
    func.coalesce(func.sum(case((LlmCall.is_estimate, 1), else_=0)), 0).label("estimated"),
)


def job_calls(session: Session, job_id: str) -> list[dict[str, Any]]:
    """The conversation of a job, oldest first: every column of its calls, and `is_ignored`.

    `status` is "unknown" also for what a run has sent that is over, before it is marked so. `is_ignored`: thrown away
    by a fresh retry, this answer is given no more.
    """
    is_lost = and_(LlmCall.status == "sent", Job.claim_id.is_(None) | (Job.claim_id != LlmCall.claim_id) | ~IS_RUNNING)
    columns = [column for column in LlmCall.__table__.columns if column.name != "status"]
    query = (
        select(
            *columns,
            case((is_lost, "unknown"), else_=LlmCall.status).label("status"),
            (LlmCall.epoch < Job.llm_epoch).label("is_ignored"),
        )
        .join(Job, Job.job_id == LlmCall.job_id)
        .where(LlmCall.job_id == job_id)
        .order_by(LlmCall.created_at, LlmCall.call_id)
    )
    return [dict(row) for row in session.execute(query).mappings()]


def cost_of_job(session: Session, job_id: str) -> dict[str, Any]:
    """`calls`, `input_tokens`, `output_tokens`, `cost_usd`, `unpriced` and `estimated` (calls), of one job alone."""
    return _sum(session, LlmCall.job_id == job_id)


def cost_of_book(session: Session, book_id: str) -> dict[str, Any]:
    """The same for all jobs of a book."""
    return _sum(session, LlmCall.book_id == book_id)


def cost_of_day(session: Session, day: date | None = None) -> dict[str, Any]:
    """The same for all calls that were begun on a day of UTC; None: today, by the database's clock."""
    if day is None:
        day = session.execute(select(db_now())).scalar_one().date()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return _sum(session, LlmCall.created_at >= midnight, LlmCall.created_at < midnight + timedelta(days=1))


def list_costs(session: Session, *, by: By, limit: int = 50) -> list[dict[str, Any]]:
    """Sums as in `cost_of_job`, for each day, book, model, job or source of the price, in the column of that name.

    Days come newest first, all others by what they cost. Raises InvalidInput.
    """
    if by not in GROUPS:
        raise InvalidInput("by", f"{str(by)[:40]!r} is none of {', '.join(GROUPS)}")
    group = _group(session, by)
    order = group.desc() if by == "day" else func.coalesce(func.sum(LlmCall.cost_usd), 0.0).desc()
    query = select(group.label(by), *_SUMS).group_by(group).order_by(order, group).limit(limit)
    return [dict(row) for row in session.execute(query).mappings()]


def _group(session: Session, by: By) -> ColumnElement[Any]:
    match by:
        case "book":
            return LlmCall.book_id.expression
        case "job":
            return LlmCall.job_id.expression
        case "model":
            return func.coalesce(LlmCall.answered_model, LlmCall.model)
        case "source":
            return func.coalesce(LlmCall.cost_source, "none")
        case "day":
            if is_postgresql(session.connection()):
                return cast(cast(func.timezone("UTC", LlmCall.created_at), Date), String)
            return func.date(LlmCall.created_at)


def _sum(session: Session, *which: ColumnElement[bool]) -> dict[str, Any]:
    return dict(session.execute(select(*_SUMS).where(*which)).mappings().one())
