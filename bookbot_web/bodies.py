"""What clients send: JSON bodies, read strictly, and their shapes."""

from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInput
from shared.views import parse_object


class NewJobBody(BaseModel):
    """The body of POST /api/jobs; whether the values make sense is for `create_job` to say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    job_type: str
    book_id: str | None = None
    chunk_id: str | None = None
    props: dict[str, Any] = Field(default_factory=dict)
    queue: str | None = None
    priority: int = Field(0, description="higher runs first")
    run_at: str | None = Field(None, description="not before this time, ISO 8601 with its zone")
    unique_key: str | None = Field(None, description="while a job with this key waits or runs, it is the answer")


async def _raw_body(request: Request) -> bytes:
    """The body, bounded by the middleware. Raises HTTPException 415 for anything that is not sent as JSON."""
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise HTTPException(415, "send the body as application/json")
    return body


RawBody = Annotated[bytes, Depends(_raw_body)]
"""Parameter of an endpoint that takes a JSON body, or takes none but must not be driven by a form."""

NEW_JOB_OPENAPI = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": NewJobBody.model_json_schema()}}}
}


def read_new_job(body: bytes) -> NewJobBody:
    """The job asked for. Raises InvalidInput naming the field."""
    document = parse_object("body", body)
    try:
        return NewJobBody.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(".".join(str(part)[:80] for part in first["loc"]) or "body", first["msg"]) from None
