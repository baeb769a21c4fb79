"""What clients send: JSON bodies, read strictly, and their shapes."""

from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInput
from shared.views import parse_object

Ident = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Name = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 64})]
"""For the document only: `shared` checks them, and says what is wrong in its own words."""


class Body(BaseModel):
    """A JSON object; members that are not named are refused. Whether values make sense is for `shared` to say."""

    model_config = ConfigDict(extra="forbid", strict=True)


Shape = TypeVar("Shape", bound=Body)


class NewJobBody(Body):
    """The body of POST /api/jobs."""

    job_type: str
    book_id: Ident | None = None
    chunk_id: Ident | None = None
    props: dict[str, Any] = Field(default_factory=dict)
    queue: Name | None = None
    priority: int = Field(
        0, description="higher runs first", json_schema_extra={"minimum": -(2**31), "maximum": 2**31 - 1}
    )
    run_at: str | None = Field(
        None, description="not before this time, ISO 8601 with its zone", json_schema_extra={"format": "date-time"}
    )
    unique_key: str | None = Field(None, description="while a job with this key waits or runs, it is the answer")


class RetryBody(Body):
    """The body of a retry; it may be left out."""

    fresh: bool = Field(False, description="ask the LLM anew, at a price, instead of using what it answered before")


class BulkBody(Body):
    """Which jobs: all that fit every filter given."""

    state: str | None = None
    job_type: str | None = None
    book_id: Ident | None = None
    queue: Annotated[str, Field(json_schema_extra={"maxLength": 64})] | None = None
    parent_job_id: Ident | None = None
    fresh: bool = Field(False, description="with a retry: ask the LLM anew")


class NewBookBody(Body):
    """A book from a brief. With `start`, the job that lays its foundation is enqueued in the same transaction."""

    title: str
    brief: str
    style: str
    author: str | None = None
    language: str | None = Field(None, description="a language tag such as en or pt-BR")
    start: bool = Field(True, description="also enqueue create_foundation")


async def _raw_body(request: Request) -> bytes:
    """The body, bounded by the middleware. Raises HTTPException 415 for anything that is not sent as JSON."""
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise HTTPException(415, "send the body as application/json")
    return body


RawBody = Annotated[bytes, Depends(_raw_body)]
"""Parameter of an endpoint that takes a JSON body, or takes none but must not be driven by a form."""


def read_body(shape: type[Shape], body: bytes, *, may_be_empty: bool = False) -> Shape:
    """What is asked for. Raises InvalidInput naming the field."""
    document = {} if may_be_empty and not body else parse_object("body", body)
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(".".join(str(part)[:80] for part in first["loc"]) or "body", first["msg"]) from None


def described(shape: type[Body], *, required: bool = True) -> dict[str, Any]:
    """For the OpenAPI document: the body of a route that reads it itself."""
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


SHAPES: tuple[type[Body], ...] = (NewJobBody, RetryBody, BulkBody, NewBookBody)
