"""Every error as application/problem+json (RFC 9457), or as a page for browsers: which status, and one sentence.

One of the few places that answer for every Exception. What the caller cannot mend is logged here; the answer
never repeats the database's own words, which may hold data or addresses.
"""

import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from bookbot_web.allowed import methods_of
from bookbot_web.middleware import own_path
from bookbot_web.rendering import address, render
from shared.errors import BookbotError, Conflict, InvalidInput, NotFound
from shared.text import clean, visible

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger(__name__)

# Classes whose cause is the state of the database; the request itself may be right and can be sent again.
_AWAY = ("OperationalError", "InterfaceError", "ProgrammingError", "InternalError")
_REFUSED = "42501"
"""PostgreSQL's insufficient_privilege: the web's role lacks a grant."""


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every exception of `app` with a problem document, or a page."""
    app.add_exception_handler(BookbotError, _bookbot_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(SQLAlchemyError, _database_error)
    app.add_exception_handler(Exception, _unexpected)


def problem(status: int, detail: str, headers: Any = None, **more: str) -> JSONResponse:
    """The document with this status; `more` becomes further members (`field`)."""
    texts = {name: clean(text, 500) for name, text in {"detail": detail, **more}.items()}
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, **texts}
    return JSONResponse(document, status, headers=headers, media_type=MEDIA_TYPE)


def _answer(request: Request, status: int, detail: str, headers: Any = None, **more: str) -> Response:
    """The same, as a page for those who want one."""
    if not wants_page(request):
        return problem(status, detail, headers, **more)
    texts = {name: clean(text, 500) for name, text in {"detail": detail, "field": "", **more}.items()}
    page = render(request, "problem.html", status, title=HTTPStatus(status).phrase, **texts)
    page.headers.update(headers or {})
    return page


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page: everything under /api, and every program, gets JSON."""
    is_api = own_path(request.scope).startswith(("/api/", "/static/"))
    return not is_api and "text/html" in request.headers.get("accept", "")


def _bookbot_error(request: Request, error: Exception) -> Response:
    match error:
        case InvalidInput():
            return _answer(request, 422, error.reason, field=error.field)
        case NotFound():
            return _answer(request, 404, str(error))
        case Conflict():
            return _answer(request, 409, str(error))
        case _:
            log.error("%s: %s", type(error).__name__, error)
            return _answer(request, 500, str(error))


def _wrong_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    first = error.errors()[0]
    path = first["loc"][1:] if first["loc"][0] in ("query", "path", "body", "header") else first["loc"]
    return _answer(request, 422, str(first["msg"])[:300], field=".".join(str(part)[:80] for part in path))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    if error.status_code == 401 and request.method == "GET" and wants_page(request):
        asked = own_path(request.scope) + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(address(request, f"/login?next={quote(asked, safe='/')}"), 303)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(methods_of(request.app, own_path(request.scope)))
    return _answer(request, error.status_code, error.detail, headers=headers)


def _database_error(request: Request, error: Exception) -> Response:
    is_away = isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and type(error).__name__ in _AWAY)
    if not is_away:
        return _unexpected(request, error)
    if getattr(getattr(error, "orig", None), "sqlstate", None) == _REFUSED:
        log.error("%s: the database refuses this to the role; see: bookbot-worker db grants", _shown(request))
        return _answer(request, 503, "the database refuses this to the role of the web; its log says more")
    log.warning("%s: the database: %s", _shown(request), type(error).__name__)
    return _answer(request, 503, "the database cannot be reached, or has not been set up; try again later")


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s failed", _shown(request), exc_info=error)
    return _answer(request, 500, "this is a fault of the server; its log says more")


def _shown(request: Request) -> str:
    return visible(f"{request.method} {request.url.path[:300]}")
