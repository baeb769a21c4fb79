"""A sentence that survives one redirect, in a cookie of a minute; signed, so that nobody else puts words there."""

from fastapi import Request
from fastapi.responses import RedirectResponse
from itsdangerous import URLSafeTimedSerializer
from starlette.responses import Response

from bookbot_web.cookies import drop, put, settings_of, unsealed
from bookbot_web.tokens import key_for
from shared.text import clean

SAID = "bookbot_said"
SECONDS = 60
LONGEST = 500
"""Characters of a sentence; a cookie holds 4 KB."""


def redirect(request: Request, path: str, said: str | None = None) -> RedirectResponse:
    """303 to `path` ("/jobs") of this site, where the page shows the sentence `said`, once."""
    root: str = request.scope.get("root_path", "")
    response = RedirectResponse(root + path, 303)
    if said:
        put(request, response, SAID, _sealed(request).dumps(clean(said, LONGEST)), SECONDS)
    return response


def said_to(request: Request) -> str | None:
    """The sentence for this page, if there is one."""
    given = request.cookies.get(SAID)
    text = unsealed(_sealed(request), given, SECONDS) if given else None
    return text if isinstance(text, str) else None


def forget(request: Request, response: Response) -> None:
    """It has been shown."""
    if SAID in request.cookies:
        drop(request, response, SAID)


def _sealed(request: Request) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key_for(settings_of(request), "said"))
