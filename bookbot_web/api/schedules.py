"""Recurring jobs: when each comes next."""

from fastapi import APIRouter

from bookbot_web.api.answers import Document
from bookbot_web.database import Db
from shared.views import jsonable
from shared.views import list_schedules as all_schedules

router = APIRouter(tags=["operation"])


@router.get("/schedules", summary="List schedules")
def list_schedules(db: Db) -> Document:
    """By name, with when each was last enqueued and comes next."""
    with db.reading() as session:
        return {"schedules": jsonable(all_schedules(session))}
