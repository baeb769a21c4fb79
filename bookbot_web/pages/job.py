"""One job: where it stands and why, what it did, said and asked, and what can be done about it."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from bookbot_web.database import Db
from bookbot_web.hints import hint_for
from bookbot_web.live import cursor_for
from bookbot_web.pace import pace
from bookbot_web.pages.job_log import log_section
from bookbot_web.rendering import render
from bookbot_web.timeline import timeline, troubles
from shared.states import JobState
from shared.views import cost_of_job, failed_children, get_job, list_files
from shared.views.conversation import get_call, list_calls
from shared.views.family import book_title, list_children, relatives, worker_name
from shared.views.job_rows import now_of
from shared.views.watching import live_texts
from shared.why import explain

router = APIRouter()

GRID = 1000
"""Children that are drawn."""


@router.get("/jobs/{job_id}")
def job(request: Request, job_id: str, db: Db, log: str = "") -> HTMLResponse:
    """The job's page; `log=none` leaves its log out, for live updates, which have the lines already."""
    with db.reading() as session:
        found = get_job(session, job_id)
        cursor = cursor_for(session, found["job_id"])
        values = _values(session, found, with_log=log != "none")
        return render(request, "job.html", here="jobs", cursor=cursor, **values)


@router.get("/jobs/{job_id}/calls/{call_id}")
def call(request: Request, job_id: str, call_id: str, db: Db) -> HTMLResponse:
    """One call to an LLM with its texts: a page of its own, whose middle a job's page can show in place."""
    with db.reading() as session:
        found = get_job(session, job_id)
        return render(request, "call.html", here="jobs", job=found, call=get_call(session, found["job_id"], call_id))


def tidy_json(value: Any) -> str:
    """A JSON value as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)


def _values(session: Session, job: dict[str, Any], *, with_log: bool) -> dict[str, Any]:
    job_id, now = job["job_id"], now_of(session)
    children = list_children(session, job_id, limit=GRID) if job["children"] else []
    drawn = {child["job_id"] for child in children}
    family = relatives(session, job_id, job["parent_job_id"])
    is_waiting = job["state"] == JobState.WAITING
    return {
        "job": job,
        "now": now,
        "steps": timeline(job, now),
        "troubles": troubles(job),
        "pace": pace(job, now),
        "why": explain(session, job_id) if is_waiting else None,
        "hint": hint_for(job["error_message"]) if job["error_message"] else None,
        "family": family | {"needs": [other for other in family["needs"] if other["job_id"] not in drawn]},
        "children": children,
        "lost": failed_children(session, job_id) if children else [],
        "calls": list_calls(session, job_id),
        "cost": cost_of_job(session, job_id),
        "files": list_files(session, job_id=job_id),
        "book_title": book_title(session, job["book_id"]),
        "worker_name": worker_name(session, job["worker_id"]),
        "props_text": tidy_json(job["props"]),
        "live_text": live_texts(session, {job_id: ("", 0, 0)}).get(job_id),
        "result_text": tidy_json(job["result"]) if job["result"] is not None else None,
        "log": log_section(session, job_id) if with_log else None,
    }
