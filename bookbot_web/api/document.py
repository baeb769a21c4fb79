"""The OpenAPI document and its page, made here: nothing is loaded from other hosts."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel

from bookbot_web.api.answers import PROBLEM_SCHEMA, Document
from bookbot_web.api.bodies import SHAPES, NewJobBody
from bookbot_web.rendering import render
from shared.job_types import JobType, catalogue

router = APIRouter(include_in_schema=False)

DESCRIPTION = (
    "Background jobs of a book-writing application. JSON is read strictly; errors are application/problem+json and "
    "name the value at fault."
)
_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/openapi.json")
def openapi_json(request: Request) -> JSONResponse:
    """The document."""
    return JSONResponse(describe(request.app))


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """The same for people."""
    document = describe(request.app)
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    ]
    groups: dict[str, list[Document]] = {}
    for operation in operations:
        groups.setdefault(operation.get("tags", ["other"])[0], []).append(operation)
    return render(
        request, "api_docs.html", here="docs", document=document, groups=groups, job_types=list(catalogue()),
        schemas={job_type.name: job_type.props.model_json_schema() for job_type in catalogue()},
    )  # fmt: skip


def describe(app: FastAPI) -> Document:
    """The OpenAPI 3.1 document of `app`, made once; the props of jobs are told apart by `job_type`."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        schemas: Document = found.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = PROBLEM_SCHEMA
        for shape in SHAPES:
            schemas[shape.__name__] = _schema(shape, schemas)
        schemas[NewJobBody.__name__] = _new_job(schemas)
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}, {}]
        if root := app.state.settings.web_prefix:
            found["servers"] = [{"url": root}]
        app.openapi_schema = found
    return app.openapi_schema


def _new_job(schemas: Document) -> Document:
    """One of the shapes a new job may have: that of its type."""
    mapping = {}
    for job_type in catalogue():
        name = f"NewJob_{job_type.name}"
        schemas[name] = _new_job_of(job_type, schemas)
        mapping[job_type.name] = f"#/components/schemas/{name}"
    discriminator = {"propertyName": "job_type", "mapping": mapping}
    return {"oneOf": [{"$ref": place} for place in mapping.values()], "discriminator": discriminator}


def _new_job_of(job_type: JobType, schemas: Document) -> Document:
    schema = _schema(NewJobBody, schemas)
    props = _schema(job_type.props, schemas)
    schema["title"] = job_type.name
    schema["description"] = job_type.description
    schema["properties"]["job_type"] = {"const": job_type.name, "type": "string"}
    schema["properties"]["props"] = props
    needed = ["book_id"] if job_type.needs_book else []
    for name in needed:
        schema["properties"][name] = {"type": "string", "format": "uuid"}
    schema["required"] = ["job_type", *needed, *(["props"] if props.get("required") else [])]
    return schema


def _schema(model: type[BaseModel], schemas: Document) -> Document:
    """The model's schema, its definitions moved to where the document keeps them."""
    schema: dict[str, Any] = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    return schema
