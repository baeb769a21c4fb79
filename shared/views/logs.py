"""The lines of a job's log, in reading order, from wherever the reader stopped."""

from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from shared.errors import InvalidInput
from shared.ids import check_id
from shared.models import JobLog

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_LINES = 1000
START = (0, 0)
"""Before the first line of the first attempt."""


def job_logs(
    session: Session,
    job_id: str,
    *,
    after: tuple[int, int] = START,
    level: str | None = None,
    limit: int = MAX_LINES,
) -> list[dict[str, Any]]:
    """The lines after (attempt, seq) `after`, oldest first, at most `limit` (up to 1000).

    `level`: only lines at least this serious. Raises InvalidInput.
    """
    if not 1 <= limit <= MAX_LINES:
        raise InvalidInput("limit", f"must be from 1 to {MAX_LINES}")
    columns = JobLog.__table__.columns
    query = (
        select(*columns)
        .where(JobLog.job_id == check_id("job_id", job_id), tuple_(JobLog.attempt, JobLog.seq) > tuple_(*after))
        .order_by(JobLog.attempt, JobLog.seq, JobLog.claim_id)
        .limit(limit)
    )
    if level is not None:
        query = query.where(JobLog.level.in_(at_least(level)))
    return [dict(row) for row in session.execute(query).mappings()]


def at_least(level: str) -> tuple[str, ...]:
    """This level and all that are more serious. Raises InvalidInput."""
    if level.upper() not in LEVELS:
        raise InvalidInput("level", f"{level[:40]!r} is none of {', '.join(LEVELS)}")
    return LEVELS[LEVELS.index(level.upper()) :]
