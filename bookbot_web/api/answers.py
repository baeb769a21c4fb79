"""What the routes of the API answer in common: documents, problems, and ids that name nothing."""

from typing import Annotated, Any

from fastapi import Query
from sqlalchemy.orm import Session

from shared.errors import InvalidInput, NotFound
from shared.ids import check_id
from shared.states import JobState
from shared.views import get_job, jsonable
from shared.why import explain

Document = dict[str, Any]
Limit = Annotated[int, Query(ge=1, le=200)]

PROBLEM_SCHEMA: Document = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "one sentence for who asked"},
        "field": {"type": "string", "description": "the value at fault, where it is one"},
    },
}
_REASONS = {
    400: "the request cannot be read",
    401: "a token is needed",
    403: "the token may only look, or the request comes from another site",
    404: "there is no such thing",
    405: "not this method",
    409: "the state of the job does not allow it",
    413: "the body is too large",
    415: "the body is not sent as JSON",
    422: "a value is wrong; `field` names it",
    429: "too many requests; Retry-After says when to come again",
    503: "the database is away; try again",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": reason,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, reason in _REASONS.items()
}
"""For the OpenAPI document: what any route may answer where it cannot do what it is asked for."""


def job_document(session: Session, job_id: str) -> Document:
    """Every column of a job, what its children add up to, and `why` it waits."""
    found = get_job(session, job_id)
    is_waiting = found["state"] == JobState.WAITING
    return {**jsonable(found), "why": explain(session, found["job_id"]) if is_waiting else None}


def known(kind: str, ident: str) -> str:
    """The id in the path. Raises NotFound where it is none: there is no such address."""
    try:
        return check_id(kind, ident)
    except InvalidInput:
        raise NotFound(kind, ident) from None
