"""Recurring jobs: when they tick next, what came of the last tick; add, enable, disable, run now, delete."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from bookbot_web.database import Db
from bookbot_web.flash import redirect
from bookbot_web.forms import Form, text_of
from bookbot_web.live import cursor_for_lists
from bookbot_web.pages.operating import act_and_say
from bookbot_web.rendering import render
from shared.cron import CatchUp
from shared.errors import Conflict, InvalidInput, NotFound
from shared.job_types import catalogue
from shared.schedules import create_schedule, delete_schedule, disable_schedule, enable_schedule, run_schedule_now
from shared.views import parse_object
from shared.views.job_rows import book_titles
from shared.views.schedules import list_schedules

router = APIRouter()

FIELDS = ("name", "cron", "timezone", "job_type", "book_id", "props", "catch_up")
_NEW = dict.fromkeys(FIELDS, "") | {"timezone": "UTC", "catch_up": CatchUp.ONCE.value}

ACTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "enable": (enable_schedule, "ticks again, from now on"),
    "disable": (disable_schedule, "ticks no more until it is enabled"),
    "run": (run_schedule_now, "has put a job into the queue"),
    "delete": (delete_schedule, "is forgotten; its jobs stay"),
}
"""What is done, and what is said of it then."""


@router.get("/schedules")
def schedules(request: Request, db: Db) -> HTMLResponse:
    """The schedules by name, and the form of a new one."""
    with db.reading() as session:
        return _page(request, session, _NEW, {})


@router.post("/schedules")
def add(request: Request, form: Form, db: Db) -> Response:
    """Create one, or show the form again with what is wrong."""
    typed = {name: text_of(form, name) or "" for name in FIELDS}
    try:
        props = parse_object("props", typed["props"] or "{}")
        given: dict[str, Any] = {name: typed[name] for name in ("cron", "timezone", "job_type", "catch_up")}
        with db.writing() as session:
            create_schedule(typed["name"], **given, book_id=typed["book_id"] or None, props=props, session=session)
    except (InvalidInput, Conflict, NotFound) as error:
        field = error.field.split(".")[0] if isinstance(error, InvalidInput) else "name"
        field = "book_id" if isinstance(error, NotFound) else field
        with db.reading() as session:
            return _page(request, session, typed, {field: getattr(error, "reason", str(error))})
    return redirect(request, "/schedules", said=f"The schedule {typed['name']} is there.")


@router.post("/schedules/{action}")
def act(request: Request, action: str, form: Form, db: Db) -> Response:
    """Do one of ACTIONS to the schedule of the form."""
    if action not in ACTIONS:
        raise NotFound("action", action)
    do, said = ACTIONS[action]
    name = text_of(form, "name") or ""

    def change(session: Session) -> str:
        do(name, session=session)
        return f"The schedule {name} {said}."

    return act_and_say(request, db, "/schedules", change)


def _page(request: Request, session: Session, typed: dict[str, str], wrong: dict[str, str]) -> HTMLResponse:
    cursor = cursor_for_lists(session, ("schedules",))
    rows = list_schedules(session)
    return render(
        request, "schedules.html", 422 if wrong else 200, here="schedules", cursor=cursor, schedules=rows, typed=typed,
        wrong=wrong, job_types=[job_type.name for job_type in catalogue()], catch_ups=list(CatchUp),
        titles=book_titles(session, {row["book_id"] for row in rows}),
    )  # fmt: skip
