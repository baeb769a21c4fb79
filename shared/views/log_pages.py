"""A job's log as pages show it: the last lines first, from there backwards or forwards, searched by the database.

`logs.py` reads forwards from a place, for those who follow; this module finds places.
"""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from shared.errors import InvalidInput
from shared.ids import check_id
from shared.models import JobLog
from shared.text import check_text
from shared.views.logs import MAX_LINES, at_least

LONGEST_QUERY = 200

Place = tuple[int, int]
"""(attempt, seq) of a line."""


class LogPage(NamedTuple):
    """`lines`: oldest first, with every column. `has_earlier` / `has_later`: whether lines that fit are around them."""

    lines: list[dict[str, Any]]
    has_earlier: bool
    has_later: bool


def log_page(
    session: Session,
    job_id: str,
    *,
    before: Place | None = None,
    after: Place | None = None,
    level: str | None = None,
    q: str | None = None,
    limit: int = MAX_LINES,
) -> LogPage:
    """The last lines, or those just before or just after a place; at most `limit` (up to 1000).

    `level`: only lines at least this serious. `q`: only lines that hold this text, in either case. Raises InvalidInput.
    """
    if not 1 <= limit <= MAX_LINES:
        raise InvalidInput("limit", f"must be from 1 to {MAX_LINES}")
    order = (JobLog.attempt, JobLog.seq, JobLog.claim_id)
    place = tuple_(JobLog.attempt, JobLog.seq)
    query = select(*JobLog.__table__.columns).where(*_fitting(job_id, level, q)).limit(limit + 1)
    if after is not None:
        rows = session.execute(query.where(place > tuple_(*after)).order_by(*order)).mappings().all()
        return LogPage([dict(row) for row in rows[:limit]], True, len(rows) > limit)
    if before is not None:
        query = query.where(place < tuple_(*before))
    rows = session.execute(query.order_by(*(column.desc() for column in order))).mappings().all()
    return LogPage([dict(row) for row in reversed(rows[:limit])], len(rows) > limit, before is not None)


def count_lines(session: Session, job_id: str, *, level: str | None = None, q: str | None = None) -> int:
    """How many lines fit, exactly: a job's log is bounded (10,000 lines an attempt). Raises InvalidInput."""
    return session.scalar(select(func.count()).select_from(JobLog).where(*_fitting(job_id, level, q))) or 0


def _fitting(job_id: str, level: str | None, q: str | None) -> list[ColumnElement[bool]]:
    tests = [JobLog.job_id == check_id("job_id", job_id)]
    if level is not None:
        tests.append(JobLog.level.in_(at_least(level)))
    if q is not None:
        tests.append(JobLog.message.icontains(check_text("q", q, LONGEST_QUERY), autoescape=True))
    return tests
