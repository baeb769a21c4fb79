"""Workers: who lives, what each runs, what hinders it."""

from fastapi import APIRouter

from bookbot_web.api.answers import Document
from bookbot_web.database import Db
from shared.views import jsonable
from shared.views import list_workers as newest_workers

router = APIRouter(tags=["operation"])


@router.get("/workers", summary="List workers, live ones first")
def list_workers(db: Db, include_ended: bool = False) -> Document:
    """With `include_ended` also those that ended more than an hour ago."""
    with db.reading() as session:
        return {"workers": jsonable(newest_workers(session, include_ended))}
