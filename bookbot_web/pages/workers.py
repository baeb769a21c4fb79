"""Who works: live workers with what they run, those that have trouble, and, folded, those that have ended."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from bookbot_web.database import Db
from bookbot_web.live import cursor_for_lists
from bookbot_web.rendering import render
from shared.version import __version__
from shared.views import list_workers
from shared.views.job_rows import book_titles, now_of
from shared.views.queues import list_job_type_limits, list_queues

router = APIRouter()

ENDED = ("stopped", "lost")


@router.get("/workers")
def workers(request: Request, db: Db) -> HTMLResponse:
    """The workers of this database, live ones first."""
    with db.reading() as session:
        cursor = cursor_for_lists(session, ("queues", "workers"))
        known = list_workers(session)
        here = [worker for worker in known if worker["state"] not in ENDED or worker["jobs"]]
        titles = book_titles(session, {job["book_id"] for worker in here for job in worker["jobs"]})
        return render(
            request, "workers.html", here="workers", cursor=cursor, workers=here, titles=titles, now=now_of(session),
            queues=list_queues(session), limits=list_job_type_limits(session),
            ended=[worker for worker in known if worker not in here], web_version=__version__,
            busy=sum(len(worker["jobs"]) for worker in here), slots=sum(worker["concurrency"] for worker in here),
        )  # fmt: skip
