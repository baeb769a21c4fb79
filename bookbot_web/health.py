"""Whether this process can do its work: the one route that asks for no token, and tells no more than that."""

from fastapi import APIRouter
from sqlalchemy import text

from bookbot_web.database import Db
from shared.version import __version__

router = APIRouter()


@router.get("/health", summary="Whether the database answers")
def health(db: Db) -> dict[str, str]:
    """200 if the database answers, else 503."""
    with db.reading() as session:
        session.execute(text("SELECT 1 FROM jobs LIMIT 1"))
    return {"status": "ok", "version": __version__}
