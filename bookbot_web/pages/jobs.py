"""The list of jobs: filters in the address, page by page, alive without moving anything.

A live update asks for the same rows again (`rows`), so that none jumps or vanishes under the reader; that there are
newer ones is said above them.
"""

from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from bookbot_web.database import Db
from bookbot_web.live import cursor_for_lists
from bookbot_web.pages.filters import Filters, read_filters
from bookbot_web.rendering import address, render
from shared.errors import BookbotError, InvalidInput
from shared.job_types import catalogue
from shared.models import Job
from shared.states import JobState
from shared.views import find_id
from shared.views.job_rows import book_titles, child_counts, jobs_by_id, now_of, short_reasons
from shared.views.job_search import JobPage, newer_jobs, search_jobs

router = APIRouter()

ROWS = 50
_NO_JOBS = JobPage([], None)


@router.get("/jobs")
def jobs(
    request: Request,
    db: Db,
    state: str = "",
    job_type: str = "",
    book_id: str = "",
    queue: str = "",
    parent_job_id: str = "",
    before: str = "",
    q: str = "",
    rows: str = Query("", max_length=8000),
) -> Response:
    """A page of the list, or, where `q` is the beginning of an id, the way to that job."""
    filters = read_filters(state, job_type, book_id, queue, parent_job_id)
    with db.reading() as session:
        cursor = cursor_for_lists(session, ("jobs",))
        if q.strip():
            try:
                found = find_id(session, Job.job_id, "job", q)
                return RedirectResponse(address(request, f"/jobs/{found}"), 303)
            except BookbotError as error:
                return _page(request, session, filters, _NO_JOBS, cursor, trouble=str(error), q=q)
        try:
            if rows:
                page = JobPage(jobs_by_id(session, rows.split(",")[:ROWS]), before or None)
            else:
                page = search_jobs(session, filters.given(), before=before.strip() or None, limit=ROWS)
            return _page(request, session, filters, page, cursor, before=before)
        except InvalidInput as error:
            return _page(request, session, filters, _NO_JOBS, cursor, trouble=str(error))


def _page(
    request: Request,
    session: Session,
    filters: Filters,
    page: JobPage,
    cursor: str,
    trouble: str = "",
    q: str = "",
    before: str = "",
) -> HTMLResponse:
    job_ids = [row["job_id"] for row in page.jobs]
    newer = newer_jobs(session, filters.given(), after=job_ids[0]) if job_ids and not before else 0
    return render(
        request, "jobs.html", 422 if trouble else 200, here="jobs", cursor=cursor, filters=filters, page=page,
        trouble=trouble, q=q, before=before, states=list(JobState), newer=newer, now=now_of(session),
        job_types=[job_type.name for job_type in catalogue()], live_query=_live_query(filters, page.jobs),
        children=child_counts(session, job_ids), reasons=short_reasons(session, page.jobs),
        titles=book_titles(session, {row["book_id"] for row in page.jobs}),
    )  # fmt: skip


def _live_query(filters: Filters, rows: list[dict[str, Any]]) -> str:
    """What a live update asks for: these rows, whatever becomes of them. Empty where there are none yet."""
    return filters.query(rows=",".join(row["job_id"].replace("-", "") for row in rows))
