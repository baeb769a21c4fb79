"""Queues: what waits and runs in each, which are paused or limited."""

from fastapi import APIRouter

from bookbot_web.api.answers import Document
from bookbot_web.database import Db
from shared.views import jsonable
from shared.views import list_queues as all_queues

router = APIRouter(tags=["operation"])


@router.get("/queues", summary="List queues")
def list_queues(db: Db) -> Document:
    """Those that have jobs to do, or a rule."""
    with db.reading() as session:
        return {"queues": jsonable(all_queues(session))}
