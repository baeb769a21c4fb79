"""A job's log: a page of its own to search and page through, a text to keep, and the part of the job's page."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from sqlalchemy.orm import Session

from bookbot_web.database import Database, Db
from bookbot_web.live import cursor_for
from bookbot_web.rendering import render
from shared.errors import InvalidInput
from shared.text import visible
from shared.views import get_job, job_logs
from shared.views.log_pages import LONGEST_QUERY, LogPage, Place, count_lines, log_page
from shared.views.logs import LEVELS, START

router = APIRouter()

LINES = 1000
AROUND = 50
"""Lines shown after one that a link leads to."""


@router.get("/jobs/{job_id}/log")
def log(
    request: Request,
    job_id: str,
    db: Db,
    level: str = "",
    q: str = Query("", max_length=LONGEST_QUERY),
    before: str = "",
    after: str = "",
    line: str = "",
) -> HTMLResponse:
    """The last lines, or those before, after or around a place ("attempt-seq"); `level` and `q` narrow them."""
    with db.reading() as session:
        found = get_job(session, job_id)
        cursor = cursor_for(session, found["job_id"])
        section = log_section(session, found["job_id"], level=level, q=q.strip(), before=before, after=after, line=line)
        return render(request, "job_log.html", here="jobs", job=found, log=section, cursor=cursor)


@router.get("/jobs/{job_id}/log.txt")
def log_as_text(job_id: str, db: Db) -> StreamingResponse:
    """The whole log as a text file, a page of it in memory at a time."""
    with db.reading() as session:
        found = get_job(session, job_id)["job_id"]
    name = f"{found}.log"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_texts(db, found), media_type="text/plain; charset=utf-8", headers=headers)


def log_section(
    session: Session,
    job_id: str,
    *,
    level: str = "",
    q: str = "",
    before: str = "",
    after: str = "",
    line: str = "",
) -> dict[str, Any]:
    """What the template `log.html` shows. Raises InvalidInput."""
    narrowed = {"level": level or None, "q": q or None}
    end = place_of("line", line)
    page: LogPage = log_page(
        session,
        job_id,
        before=(end[0], end[1] + AROUND) if end else place_of("before", before),
        after=place_of("after", after),
        **narrowed,
        limit=LINES,
    )
    is_narrowed = bool(level or q)
    return {
        "lines": page.lines,
        "has_earlier": page.has_earlier,
        "has_later": page.has_later,
        "level": level,
        "levels": LEVELS,
        "q": q,
        "count": count_lines(session, job_id, **narrowed) if is_narrowed else None,
        "is_live": not (is_narrowed or before or after or line),
    }


def place_of(field: str, text: str) -> Place | None:
    """ "2-117" → (2, 117); None for nothing. Raises InvalidInput."""
    if not text:
        return None
    attempt, _, seq = text.partition("-")
    if not (attempt.isascii() and attempt.isdecimal() and seq.isascii() and seq.isdecimal()) or len(text) > 20:
        raise InvalidInput(field, f"{text[:40]!r} is no place in a log, such as 1-20")
    return min(int(attempt), 2**31 - 1), min(int(seq), 2**31 - 1)


def _texts(database: Database, job_id: str) -> Iterator[str]:
    """Line by line: instant, attempt, level, message; what could drive a terminal is written as JSON does it."""
    place = START
    while True:
        with database.reading() as session:
            lines = job_logs(session, job_id, after=place, limit=LINES)
        yield "".join(
            f"{line['created_at'].isoformat(timespec='milliseconds')} {line['attempt']}-{line['seq']} "
            f"{visible(line['level']):<8} {visible(line['message'])}\n"
            for line in lines
        )
        if len(lines) < LINES:
            return
        place = (lines[-1]["attempt"], lines[-1]["seq"])
