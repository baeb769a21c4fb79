"""Many jobs at once: what was asked for is shown with its count first, and done when it is confirmed.

The form of the list leads here by GET, so that an address alone never changes anything.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from bookbot_web.database import Db
from bookbot_web.flash import redirect
from bookbot_web.forms import Form
from bookbot_web.pages.filters import Filters, read_filters
from bookbot_web.rendering import render
from shared.errors import Conflict, InvalidInput, NotFound
from shared.requests import request_cancel, request_retry
from shared.states import ACTIVE
from shared.views.job_rows import jobs_by_id

router = APIRouter()

MOST = 200
"""Jobs that can be named one by one."""


@dataclass(frozen=True, slots=True)
class Deed:
    """`verb` and `done` for sentences; `is_cancel` or else a retry; of `all` that match or of those selected."""

    name: str
    verb: str
    done: str
    is_cancel: bool
    all: bool

    def fits(self, state: str) -> bool:
        """Whether a job in this state can be called off, or run again."""
        return (state in ACTIVE) is self.is_cancel


DEEDS = {
    deed.name: deed
    for deed in (
        Deed("cancel-selected", "Cancel", "called off", is_cancel=True, all=False),
        Deed("retry-selected", "Retry", "run again", is_cancel=False, all=False),
    )
}


@router.get("/jobs/bulk")
def confirm(
    request: Request,
    db: Db,
    action: str = "",
    job_id: list[str] = Query([], max_length=MOST),  # noqa: B008 - FastAPI's way to say it
    state: str = "",
    job_type: str = "",
    book_id: str = "",
    queue: str = "",
    parent_job_id: str = "",
) -> HTMLResponse:
    """What would be done, to how many, and a button."""
    deed = _deed(action)
    filters = read_filters(state, job_type, book_id, queue, parent_job_id)
    with db.reading() as session:
        chosen = jobs_by_id(session, job_id)
    fitting = [job for job in chosen if deed.fits(job["state"])]
    return render(
        request, "bulk.html", here="jobs", deed=deed, filters=filters, jobs=fitting,
        left_out=len(chosen) - len(fitting), was_empty=not chosen,
    )  # fmt: skip


@router.post("/jobs/bulk")
def act(request: Request, form: Form, db: Db) -> Response:
    """Do it, and say on the list what came of it."""
    deed = _deed(str(form.get("action", "")))
    filters = Filters(**{name: str(form.get(name, "")) for name in Filters.__slots__})
    job_ids = [str(given) for given in form.getlist("job_id")][:MOST]
    done, refused = 0, 0
    for one in job_ids:
        try:
            with db.writing() as session:
                _ask(deed, one, session)
            done += 1
        except (Conflict, NotFound):
            refused += 1
    said = f"{done} {'job is' if done == 1 else 'jobs are'} being {deed.done}."
    if refused:
        said += f" {refused} {'was' if refused == 1 else 'were'} left alone: not in a state for it any more."
    return redirect(request, f"/jobs?{filters.query()}", said=said)


def _ask(deed: Deed, job_id: str, session: Any) -> None:
    if deed.is_cancel:
        request_cancel(job_id, session=session)
    else:
        request_retry(job_id, session=session)


def _deed(action: str) -> Deed:
    try:
        return DEEDS[action]
    except KeyError:
        raise InvalidInput("action", f"{action[:40]!r} is none of {', '.join(DEEDS)}") from None
