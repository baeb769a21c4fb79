"""What a person can ask for on a job's page. Each action writes through `shared`, and leads back to the page."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bookbot_web.database import Db
from bookbot_web.flash import redirect
from bookbot_web.forms import Form, text_of
from shared.enqueue import create_job
from shared.errors import BookbotError, Conflict, InvalidInput, NotFound
from shared.ids import check_id
from shared.requests import request_cancel, request_retry
from shared.states import JobState
from shared.views import failed_children, get_job

router = APIRouter()


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, job_id: str, _: Form, db: Db) -> Response:
    """Call off the job and everything it started."""
    known = _known(job_id)

    def act(session: Any) -> str:
        request_cancel(known, session=session)
        return "It is being called off."

    return _do(request, db, known, act)


@router.post("/jobs/{job_id}/retry")
def retry(request: Request, job_id: str, form: Form, db: Db) -> Response:
    """Run the ended job again; with `fresh` the LLM is asked anew."""
    known, fresh = _known(job_id), text_of(form, "fresh") is not None

    def act(session: Any) -> str:
        request_retry(known, fresh=fresh, session=session)
        return "It runs again as soon as a worker has seen this." + (" The LLM is asked anew." if fresh else "")

    return _do(request, db, known, act)


@router.post("/jobs/{job_id}/retry-failed")
def retry_failed(request: Request, job_id: str, _: Form, db: Db) -> Response:
    """Run those of its scene jobs again that were lost, and then itself."""
    known = _known(job_id)

    def act(session: Any) -> str:
        lost = failed_children(session, known)
        for child in lost:
            request_retry(child, session=session)
        if JobState(get_job(session, known)["state"]).is_terminal:
            request_retry(known, session=session)
        return f"{len(lost)} of its jobs {'runs' if len(lost) == 1 else 'run'} again, and then itself."

    return _do(request, db, known, act)


@router.post("/jobs/{job_id}/again")
def again(request: Request, job_id: str, _: Form, db: Db) -> Response:
    """Enqueue another job with the same values, on its own: without parent, dependencies and unique key."""
    known = _known(job_id)
    with db.writing() as session:
        old = get_job(session, known)
        kept = ("job_type", "book_id", "chunk_id", "props", "queue", "priority")
        try:
            new = create_job(**{name: old[name] for name in kept}, session=session)
        except InvalidInput as error:
            return redirect(request, f"/jobs/{known}", said=f"It cannot be enqueued again: {error}")
    return redirect(request, f"/jobs/{new.job_id}", said="Enqueued again, as a new job.")


def _do(request: Request, db: Db, job_id: str, act: Callable[[Any], str]) -> Response:
    """Act in one transaction, and say on the job's page what came of it."""
    try:
        with db.writing() as session:
            said = act(session)
    except Conflict as error:
        said = str(error)
    return redirect(request, f"/jobs/{job_id}", said=said)


def _known(job_id: str) -> str:
    """The id in the address. Raises NotFound where it is none."""
    try:
        return check_id("job", job_id)
    except BookbotError:
        raise NotFound("job", job_id) from None
