"""The routes under /api that ask for access. Each parses, calls `shared`, and answers; none decides anything.

They are plain functions: FastAPI runs them on threads, where a slow database blocks one request and not all.
"""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.orm import Session

from bookbot_web.auth import require_access
from bookbot_web.bodies import NEW_JOB_OPENAPI, RawBody, read_new_job
from bookbot_web.database import Db
from shared.control import cancel_job, retry_job
from shared.enqueue import create_job
from shared.errors import InvalidInput, NotFound
from shared.ids import check_id
from shared.states import JobState
from shared.views import (
    active_job_with_key,
    get_book,
    get_file,
    get_job,
    job_logs,
    jsonable,
    list_books,
    list_jobs,
    parse_instant,
)
from shared.why import explain

router = APIRouter(dependencies=[Depends(require_access)])

Document = dict[str, Any]
Number = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.post("/jobs", status_code=201, summary="Enqueue a job", openapi_extra=NEW_JOB_OPENAPI)
def enqueue(body: RawBody, db: Db, response: Response) -> Document:
    """201 with the new job; 200 with the job that already holds the `unique_key`."""
    asked = read_new_job(body)
    run_at = parse_instant("run_at", asked.run_at) if asked.run_at is not None else None
    with db.writing() as session:
        holder = active_job_with_key(session, asked.unique_key)
        job = create_job(**asked.model_dump(exclude={"run_at"}), run_at=run_at, session=session)
        session.flush()
        if job.job_id == holder:
            response.status_code = 200
        answer = _job(session, job.job_id)
    response.headers["Location"] = f"/api/jobs/{answer['job_id']}"
    return answer


@router.get("/jobs", summary="List jobs, newest first")
def jobs(
    db: Db,
    state: JobState | None = None,
    job_type: str | None = None,
    book_id: str | None = None,
    queue: str | None = None,
    parent_job_id: str | None = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Document:
    """`next_before` is the `before` of the next page, null on the last one."""
    with db.reading() as session:
        rows = list_jobs(
            session,
            state=state,
            job_type=job_type,
            book_id=book_id,
            queue=queue,
            parent_job_id=parent_job_id,
            before=before,
            limit=limit,
        )
    return {"jobs": jsonable(rows), "next_before": rows[-1]["job_id"] if len(rows) == limit else None}


@router.get("/jobs/{job_id}", summary="One job, with its children's totals")
def job(job_id: str, db: Db) -> Document:
    """Every column, what its children add up to, and `why` it waits (null if it does not)."""
    with db.reading() as session:
        return _job(session, _known("job", job_id))


@router.get("/jobs/{job_id}/logs", summary="A job's log, oldest line first")
def logs(
    job_id: str,
    db: Db,
    after_attempt: Number = 0,
    after_seq: Number = 0,
    level: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Document:
    """The lines after (`after_attempt`, `after_seq`); ask again with those of the last line."""
    with db.reading() as session:
        found = get_job(session, _known("job", job_id))["job_id"]
        rows = job_logs(session, found, after=(after_attempt, after_seq), level=level, limit=limit)
    return {"logs": jsonable(rows)}


@router.post("/jobs/{job_id}/cancel", summary="Call off a job and everything it started")
def cancel(job_id: str, _: RawBody, db: Db, response: Response) -> Document:
    """200 with the cancelled job; 202 where it runs and its worker was asked to stop it."""
    known = _known("job", job_id)
    with db.writing() as session:
        if cancel_job(known, session=session) is JobState.RUNNING:
            response.status_code = 202
        return _job(session, known)


@router.post("/jobs/{job_id}/retry", summary="Run an ended job again")
def retry(job_id: str, _: RawBody, db: Db) -> Document:
    """The job, waiting again; its attempts and log lines are kept."""
    with db.writing() as session:
        return _job(session, retry_job(_known("job", job_id), session=session).job_id)


@router.get("/books", summary="List books, newest first")
def books(db: Db, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Document:
    """Books with their scenes and words."""
    with db.reading() as session:
        return {"books": jsonable(list_books(session, limit=limit))}


@router.get("/books/{book_id}", summary="One book, with chapters and scenes")
def book(book_id: str, db: Db) -> Document:
    """A book without its texts."""
    with db.reading() as session:
        return {**jsonable(get_book(session, _known("book", book_id)))}


@router.get("/files/{file_id}", summary="Download a finished file", response_class=Response)
def file(file_id: str, db: Db) -> Response:
    """The bytes, always as a download: a browser never shows a book's markup under this origin."""
    with db.reading() as session:
        found = get_file(session, _known("file", file_id))
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in found["name"])
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(found['name'], safe='')}"
    return Response(found["content"], media_type=found["media_type"], headers={"Content-Disposition": disposition})


def _job(session: Session, job_id: str) -> Document:
    found = get_job(session, job_id)
    is_waiting = found["state"] == JobState.WAITING
    return {**jsonable(found), "why": explain(session, found["job_id"]) if is_waiting else None}


def _known(kind: str, ident: str) -> str:
    """The id in the path. Raises NotFound where it is none: there is no such address."""
    try:
        return check_id(kind, ident)
    except InvalidInput:
        raise NotFound(kind, ident) from None
