"""A page of a list of jobs in bounded time, whichever filters are combined and however long the history is.

One filter is answered by an index; the others are looked up in the newest jobs that it leaves, at most `SCANNED` of
them. Where those are used up before the page is full, the page says how far back it has looked, and the next one goes
on from there: no index is needed for every combination, and no page reads a million rows to find nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, literal_column, select
from sqlalchemy.orm import Session

from shared.errors import InvalidInput
from shared.ids import check_id
from shared.models import Job
from shared.states import JobState
from shared.text import check_text
from shared.views.jobs import LIST_COLUMNS, MAX_LIMIT, known_state

FILTERS = ("state", "job_type", "book_id", "queue", "parent_job_id")
"""What a list can be narrowed by."""

SCANNED = 20_000
"""Jobs one page looks at, at most."""

_BY_INDEX = ("parent_job_id", "book_id", "state")
"""Filters that an index answers, the one that leaves the fewest jobs first."""


class JobPage(NamedTuple):
    """`jobs`: newest first, as in `list_jobs`. `next_before`: where the next page begins, None on the last one.

    `looked_back_to`: set where the search stopped before the page was full; older jobs have not been looked at.
    """

    jobs: list[dict[str, Any]]
    next_before: str | None
    looked_back_to: datetime | None = None


def search_jobs(
    session: Session, filters: Mapping[str, str], *, before: str | None = None, limit: int = 50, scanned: int = SCANNED
) -> JobPage:
    """The newest jobs that fit every filter (of `FILTERS`), older than the job `before`. Raises InvalidInput."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput("limit", f"must be from 1 to {MAX_LIMIT}")
    first, rest = _tests(filters)
    if before is not None:
        first.append(Job.job_id < check_id("before", before))
    return _page(session, first, rest, limit, scanned)


def newer_jobs(session: Session, filters: Mapping[str, str], *, after: str, most: int = 50) -> int:
    """How many jobs fit these filters and are newer than `after`; counting stops at `most`.

    Like a page, it looks at the newest `SCANNED` jobs only.
    """
    first, rest = _tests(filters)
    return len(_page(session, [*first, Job.job_id > check_id("after", after)], rest, most, SCANNED).jobs)


def matching_ids(
    session: Session,
    filters: Mapping[str, str],
    *,
    limit: int,
    newest: str | None = None,
    scanned: int = 10 * SCANNED,
) -> list[str]:
    """The ids of the newest jobs that fit, at most `limit`, of the `scanned` newest that an index finds.

    `newest`: none that is younger than this job, so that what was counted is what is changed. Raises InvalidInput.
    """
    first, rest = _tests(filters)
    if newest is not None:
        first.append(Job.job_id <= check_id("newest", newest))
    seen = select(Job).where(*first).order_by(Job.job_id.desc()).limit(scanned).subquery("seen")
    query = select(seen.c.job_id).where(*(_on(test, seen) for test in rest)).order_by(seen.c.job_id.desc())
    return list(session.scalars(query.limit(limit)))


def _tests(filters: Mapping[str, str]) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """The test that an index answers, if there is one, and all the others."""
    tests: dict[str, ColumnElement[bool]] = {}
    for name, value in filters.items():
        match name:
            case "parent_job_id":
                tests[name] = Job.parent_job_id == check_id(name, value)
            case "book_id":
                tests[name] = Job.book_id == check_id(name, value)
            case "state":
                # As text: a prepared plan must know the state to use its index. It is one of six words.
                tests[name] = Job.state == literal_column(f"'{known_state(value)}'")
            case "job_type":
                tests[name] = Job.job_type == check_text(name, value, 64)
            case "queue":
                tests[name] = Job.queue == check_text(name, value, 64)
            case _:
                raise InvalidInput(name[:80], "is no filter")
    by_index = next((name for name in _BY_INDEX if name in tests), None)
    first = [tests.pop(by_index)] if by_index else []
    if by_index == "state" and JobState(filters["state"]).is_terminal:
        first.append(Job.completed_at.is_not(None))  # which is what the index of ended jobs is about
    return first, list(tests.values())


def _page(
    session: Session, first: list[ColumnElement[bool]], rest: list[ColumnElement[bool]], limit: int, scanned: int
) -> JobPage:
    newest = select(Job.job_id).where(*first).order_by(Job.job_id.desc())
    query = select(*LIST_COLUMNS).order_by(Job.job_id.desc()).limit(limit + 1)
    if rest:
        seen = select(Job).where(*first).order_by(Job.job_id.desc()).limit(scanned).subquery("seen")
        columns = [seen.c[column.name] for column in LIST_COLUMNS]
        query = select(*columns).order_by(seen.c.job_id.desc()).limit(limit + 1)
        query = query.where(*(_on(test, seen) for test in rest))
    else:
        query = query.where(*first)
    rows = [dict(row) for row in session.execute(query).mappings()]
    if len(rows) > limit:
        return JobPage(rows[:limit], rows[limit - 1]["job_id"])
    if not rest:
        return JobPage(rows, None)
    edge = session.scalar(newest.offset(scanned - 1).limit(1))
    if edge is None:
        return JobPage(rows, None)
    return JobPage(rows, edge, session.scalar(select(Job.created_at).where(Job.job_id == edge)))


def _on(test: Any, seen: Any) -> ColumnElement[bool]:
    """The same test on a column of the subquery."""
    moved: ColumnElement[bool] = test.operator(seen.c[test.left.name], test.right)
    return moved
