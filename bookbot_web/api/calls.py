"""What a job asked LLMs, and what it cost."""

from typing import Annotated

from fastapi import APIRouter, Query

from bookbot_web.api.answers import Document, known
from bookbot_web.database import Db
from shared.views import By, cost_of_day, cost_of_job, get_job, jsonable, list_costs
from shared.views.conversation import get_call, list_calls

router = APIRouter(tags=["llm"])


@router.get("/jobs/{job_id}/calls", summary="The calls of a job, without their texts")
def calls(job_id: str, db: Db) -> Document:
    """The oldest first, at most 500; and what they add up to."""
    with db.reading() as session:
        ident = get_job(session, known("job", job_id))["job_id"]
        return {"calls": jsonable(list_calls(session, ident)), "totals": jsonable(cost_of_job(session, ident))}


@router.get("/jobs/{job_id}/calls/{call_id}", summary="One call, with the prompt and the answer")
def call(job_id: str, call_id: str, db: Db) -> Document:
    """Every column, `request` as it was sent."""
    with db.reading() as session:
        found: Document = jsonable(get_call(session, known("job", job_id), known("call", call_id)))
    return found


@router.get("/costs", summary="What LLM calls cost, by day, book, model, job or source of the price")
def costs(db: Db, by: By = "day", limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Document:
    """`costs`: one entry a group; `today`: the sums of this day of UTC."""
    with db.reading() as session:
        return {"costs": jsonable(list_costs(session, by=by, limit=limit)), "today": jsonable(cost_of_day(session))}
