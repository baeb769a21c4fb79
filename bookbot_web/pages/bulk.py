"""Many jobs at once: what was asked for is shown with its count first, and done when it is confirmed.

The form of the list leads here by GET, so that an address alone never changes anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from bookbot_web.database import Db
from bookbot_web.flash import redirect
from bookbot_web.forms import Form, text_of
from bookbot_web.pages.filters import Filters, read_filters
from bookbot_web.rendering import render
from bookbot_web.wording import number
from shared.batches import batches
from shared.errors import InvalidInput
from shared.many_requests import request_cancels, request_retries
from shared.states import ACTIVE, TERMINAL, JobState
from shared.views.job_rows import jobs_by_id
from shared.views.job_search import matching_ids
from shared.views.jobs import known_state

router = APIRouter()

NAMED = 200
"""Jobs that can be chosen one by one."""

MOST = 10_000
"""Jobs that one confirmation is about; of more, the newest."""

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Deed:
    """`verb` and `done` are for sentences. `states`: in which a job can be called off, or run again."""

    name: str
    verb: str
    done: str
    states: frozenset[JobState]
    is_about_all: bool

    @property
    def is_cancel(self) -> bool:
        """Or else a retry."""
        return self.states == ACTIVE


_WRONG = frozenset({JobState.FAILED, JobState.ERROR})
"""What "all that match" runs again; what is completed or cancelled only where the filter asks for it by name."""

DEEDS = {
    deed.name: deed
    for deed in (
        Deed("cancel-selected", "Cancel", "called off", ACTIVE, is_about_all=False),
        Deed("retry-selected", "Retry", "run again", TERMINAL, is_about_all=False),
        Deed("cancel-all", "Cancel", "called off", ACTIVE, is_about_all=True),
        Deed("retry-all", "Retry", "run again", TERMINAL, is_about_all=True),
    )
}


@router.get("/jobs/bulk")
def confirm(
    request: Request,
    db: Db,
    action: str = "",
    job_id: Annotated[list[str] | None, Query(max_length=NAMED)] = None,
    state: str = "",
    job_type: str = "",
    book_id: str = "",
    queue: str = "",
    parent_job_id: str = "",
) -> HTMLResponse:
    """What would be done, to how many, and a button."""
    deed = _deed(action)
    filters = read_filters(state, job_type, book_id, queue, parent_job_id)
    chosen = job_id or []
    with db.reading() as session:
        fitting = _fitting(session, deed, filters, chosen)
        jobs = jobs_by_id(session, fitting[:SHOWN])
    return render(
        request, "bulk.html", here="jobs", deed=deed, filters=filters, jobs=jobs, count=len(fitting), most=MOST,
        newest=max(fitting, default=""), chosen=[] if deed.is_about_all else fitting,
        left_out=0 if deed.is_about_all else len(chosen) - len(fitting),
    )  # fmt: skip


@router.post("/jobs/bulk")
def act(request: Request, form: Form, db: Db) -> Response:
    """Do it, and say on the list what came of it."""
    deed = _deed(str(form.get("action", "")))
    filters = Filters(**{name: str(form.get(name, "")) for name in Filters.__slots__})
    named = [str(given) for given in form.getlist("job_id")][:NAMED]
    with db.reading() as session:
        job_ids = _fitting(session, deed, filters, named, text_of(form, "newest"))
    done = 0
    for portion in batches(job_ids):
        with db.writing() as session:
            ask = request_cancels if deed.is_cancel else request_retries
            done += ask(portion, session=session)
    said = f"{number(done)} {'job is' if done == 1 else 'jobs are'} being {deed.done}."
    if deed.is_about_all and len(job_ids) == MOST:
        said += " There may be more: ask again for those."
    return redirect(request, f"/jobs?{filters.query()}", said=said)


def _fitting(
    session: Session, deed: Deed, filters: Filters, named: Sequence[str], newest: str | None = None
) -> list[str]:
    """Of the jobs named, or of all that match and are not younger than `newest`: those in a state for it."""
    if not deed.is_about_all:
        return [job["job_id"] for job in jobs_by_id(session, named) if job["state"] in deed.states]
    given = filters.given()
    states = {known_state(given["state"])} & deed.states if "state" in given else deed.states & (ACTIVE | _WRONG)
    found: list[str] = []
    for state in sorted(states):
        found += matching_ids(session, given | {"state": state}, newest=newest, limit=MOST - len(found))
    return found


def _deed(action: str) -> Deed:
    try:
        return DEEDS[action]
    except KeyError:
        raise InvalidInput("action", f"{action[:40]!r} is none of {', '.join(DEEDS)}") from None
