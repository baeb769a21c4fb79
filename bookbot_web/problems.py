"""Every error as application/problem+json (RFC 9457): which status, and one sentence for the caller.

One of the few places that answer for every Exception. What the caller cannot mend is logged here; the answer
never repeats the database's own words, which may hold data or addresses.
"""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from shared.errors import BookbotError, Conflict, InvalidInput, NotFound
from shared.text import clean

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger(__name__)

# Classes whose cause is the state of the database; the request itself may be right and can be sent again.
_AWAY = ("OperationalError", "InterfaceError", "ProgrammingError", "InternalError")


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every exception of `app` with a problem document."""
    app.add_exception_handler(BookbotError, _bookbot_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(SQLAlchemyError, _database_error)
    app.add_exception_handler(Exception, _unexpected)


def problem(status: int, detail: str, headers: Any = None, **more: str) -> JSONResponse:
    """The answer with this status; `more` becomes further members (`field`)."""
    texts = {name: clean(text, 500) for name, text in {"detail": detail, **more}.items()}
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, **texts}
    return JSONResponse(document, status, headers=headers, media_type=MEDIA_TYPE)


def _bookbot_error(_: Request, error: Exception) -> JSONResponse:
    match error:
        case InvalidInput():
            return problem(422, error.reason, field=error.field)
        case NotFound():
            return problem(404, str(error))
        case Conflict():
            return problem(409, str(error))
        case _:
            log.error("%s: %s", type(error).__name__, error)
            return problem(500, str(error))


def _wrong_parameter(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    first = error.errors()[0]
    return problem(422, str(first["msg"])[:300], field=".".join(str(part)[:80] for part in first["loc"][1:]))


def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    return problem(error.status_code, error.detail, headers=error.headers)


def _database_error(request: Request, error: Exception) -> JSONResponse:
    is_away = isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and type(error).__name__ in _AWAY)
    if not is_away:
        return _unexpected(request, error)
    log.warning("%s %s: the database: %s", request.method, request.url.path, type(error).__name__)
    return problem(503, "the database cannot be reached, or has not been set up; try again later")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "this is a fault of the server; its log says more")
