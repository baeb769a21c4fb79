"""The front page: what waits and runs, who works, what it costs today."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from bookbot_web.database import Db
from bookbot_web.rendering import render
from shared.views import count_jobs_by_state, list_workers

router = APIRouter()


@router.get("/")
def overview(request: Request, db: Db) -> HTMLResponse:
    """Figures of this moment."""
    with db.reading() as session:
        return render(
            request, "overview.html", here="overview",
            counts=count_jobs_by_state(session), workers=list_workers(session),
        )  # fmt: skip
