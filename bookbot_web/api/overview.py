"""How things stand: what waits and runs, what ended lately, what needs a person."""

from typing import Literal

from fastapi import APIRouter

from bookbot_web.api.answers import Document
from bookbot_web.database import Db
from shared.views import jsonable
from shared.views.attention import needs_attention
from shared.views.overview import count_active, ended_lately

router = APIRouter(tags=["operation"])


@router.get("/stats", summary="What waits and runs, what ended lately, what needs a person")
def stats(db: Db, window: Literal["hour", "day"] = "hour") -> Document:
    """`active`: counts up to 10,001; `ended`: totals and slots of the window, with waiting times; `attention`."""
    with db.reading() as session:
        return {
            "active": count_active(session),
            "ended": jsonable(ended_lately(session, window)),
            "attention": jsonable(needs_attention(session)),
        }
