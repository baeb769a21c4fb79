"""What can be asked of a job: to stop, or to run again. A worker carries it out; until then the row says so."""

from fastapi import APIRouter

from bookbot_web.api.answers import Document, job_document, known
from bookbot_web.api.bodies import RawBody, RetryBody, described, read_body
from bookbot_web.database import Db
from shared.requests import request_cancel, request_retry

router = APIRouter(tags=["jobs"])


@router.post("/jobs/{job_id}/cancel", status_code=202, summary="Ask that a job and everything it started be called off")
def cancel(job_id: str, _: RawBody, db: Db) -> Document:
    """The job with `cancel_requested_at`; its `state` becomes "cancelled" as soon as a worker has seen to it."""
    ident = known("job", job_id)
    with db.writing() as session:
        request_cancel(ident, session=session)
        return job_document(session, ident)


@router.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    summary="Ask that an ended job run again",
    openapi_extra=described(RetryBody, required=False),
)
def retry(job_id: str, body: RawBody, db: Db) -> Document:
    """The job with `retry_requested_at`, until a worker puts it back to waiting. Attempts and log lines are kept."""
    ident = known("job", job_id)
    asked = read_body(RetryBody, body, may_be_empty=True)
    with db.writing() as session:
        request_retry(ident, fresh=asked.fresh, session=session)
        return job_document(session, ident)
