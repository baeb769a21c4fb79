"""Jobs: enqueue, list, look at one."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from bookbot_web.api.answers import Document, Limit, job_document, known
from bookbot_web.api.bodies import NewJobBody, RawBody, described, read_body
from bookbot_web.database import Db
from bookbot_web.rendering import address
from shared.enqueue import create_job
from shared.job_types import catalogue
from shared.states import JobState
from shared.text import check_json
from shared.views import active_job_with_key, jsonable, parse_instant
from shared.views.job_search import search_jobs

router = APIRouter(tags=["jobs"])

Filter = Annotated[str | None, Query(max_length=100)]
_LOCATION = {"Location": {"description": "where the job is", "schema": {"type": "string"}}}


@router.post(
    "/jobs",
    status_code=201,
    summary="Enqueue a job",
    openapi_extra=described(NewJobBody),
    responses={200: {"description": "The job that already holds the unique_key", "headers": _LOCATION}},
)
def enqueue(request: Request, body: RawBody, db: Db, response: Response) -> Document:
    """201 with the new job; 200 with the job that already holds the `unique_key`."""
    asked = read_body(NewJobBody, body)
    run_at = parse_instant("run_at", asked.run_at) if asked.run_at is not None else None
    catalogue().get(asked.job_type).validate(check_json("props", asked.props), strictly=True)
    with db.writing() as session:
        holder = active_job_with_key(session, asked.unique_key)
        job = create_job(**asked.model_dump(exclude={"run_at"}), run_at=run_at, session=session)
        session.flush()
        if job.job_id == holder:
            response.status_code = 200
        answer = job_document(session, job.job_id)
    response.headers["Location"] = address(request, f"/api/jobs/{answer['job_id']}")
    return answer


@router.get("/jobs", summary="List jobs, newest first")
def list_jobs(
    db: Db,
    state: JobState | None = None,
    job_type: Filter = None,
    book_id: Filter = None,
    queue: Filter = None,
    parent_job_id: Filter = None,
    before: Filter = None,
    limit: Limit = 50,
) -> Document:
    """`next_before` is the `before` of the next page, null on the last one.

    A search for few among many stops after 20,000 jobs: then `looked_back_to` says how far it came, and the page may
    be short, or empty, though there is a next one.
    """
    given = {
        "state": state,
        "job_type": job_type,
        "book_id": book_id,
        "queue": queue,
        "parent_job_id": parent_job_id,
    }
    filters = {name: value for name, value in given.items() if value is not None}
    with db.reading() as session:
        page = search_jobs(session, filters, before=before, limit=limit)
    answer: Document = jsonable(page._asdict())
    return answer


@router.get("/jobs/{job_id}", summary="One job, with its children's totals")
def show_job(job_id: str, db: Db) -> Document:
    """Every column, what its children add up to, and `why` it waits (null if it does not)."""
    with db.reading() as session:
        return job_document(session, known("job", job_id))
