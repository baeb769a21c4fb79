"""For whoever watches over the process: is it there, and does it reach its database? Both ask for no token."""

from fastapi import APIRouter
from sqlalchemy import text

from bookbot_web.api.answers import PROBLEMS
from bookbot_web.database import Db
from shared.version import __version__

router = APIRouter(tags=["health"])


@router.get("/health", summary="Whether the database answers", responses={503: PROBLEMS[503]})
def health(db: Db) -> dict[str, str]:
    """200 if the database answers, else 503."""
    with db.reading() as session:
        session.execute(text("SELECT 1 FROM jobs LIMIT 1"))
    return {"status": "ok", "version": __version__}


@router.get("/health/live", summary="Whether the process answers")
async def live() -> dict[str, str]:
    """200, whatever the database does: restarting the process would not mend that."""
    return {"status": "ok", "version": __version__}
