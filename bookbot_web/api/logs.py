"""A job's log: read on from a line, searched, or counted."""

from typing import Annotated

from fastapi import APIRouter, Query

from bookbot_web.api.answers import Document, known
from bookbot_web.database import Db
from shared.views import get_job, jsonable
from shared.views.log_pages import LONGEST_QUERY, count_lines, log_page

router = APIRouter(tags=["jobs"])

Place = Annotated[int | None, Query(ge=0, le=2**31 - 1)]


@router.get("/jobs/{job_id}/logs", summary="A job's log, oldest line first")
def logs(
    job_id: str,
    db: Db,
    after_attempt: Place = None,
    after_seq: Place = None,
    before_attempt: Place = None,
    before_seq: Place = None,
    level: Annotated[str | None, Query(max_length=20, description="only lines at least this serious")] = None,
    q: Annotated[str | None, Query(max_length=LONGEST_QUERY, description="only lines that hold this text")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    last: Annotated[bool, Query(description="the last lines, instead of the first")] = False,
) -> Document:
    """The lines after (`after_attempt`, `after_seq`); ask again with those of the last line.

    With `before_…` or `last`, the lines just before that place, or the last ones. `count`: how many lines fit `level`
    and `q`, exactly, in the whole log.
    """
    is_backwards = last or before_attempt is not None or before_seq is not None
    after = None if is_backwards else (after_attempt or 0, after_seq or 0)
    before = None if last or not is_backwards else (before_attempt or 0, before_seq or 0)
    with db.reading() as session:
        ident = get_job(session, known("job", job_id))["job_id"]
        page = log_page(session, ident, after=after, before=before, level=level, q=q or None, limit=limit)
        count = count_lines(session, ident, level=level, q=q or None)
    return {"logs": jsonable(page.lines), "count": count}
