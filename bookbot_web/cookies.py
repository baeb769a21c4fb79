"""Cookies: signed, unreadable for scripts, sent by our own pages only, and over TLS only where there is TLS."""

from typing import Any

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from bookbot_web.tokens import Role, key_for
from shared.settings import Settings

SESSION = "bookbot_session"
SESSION_SECONDS = 7 * 24 * 3600
"""A session ends so long after it was opened; one changes the token to end all sooner."""


def open_session(request: Request, response: Response, role: Role) -> None:
    """Remember in the browser that its user showed the token of `role`."""
    settings = settings_of(request)
    put(request, response, SESSION, _sealed(settings, role).dumps(role.value), SESSION_SECONDS)


def session_of(request: Request) -> Role | None:
    """The role of a session that is open; None for a cookie that is missing, forged, too old, or of another token."""
    given = request.cookies.get(SESSION)
    if not given:
        return None
    settings = settings_of(request)
    for role in Role:
        if unsealed(_sealed(settings, role), given, SESSION_SECONDS) == role.value:
            return role
    return None


def put(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie of this site."""
    response.set_cookie(name, value, max_age=seconds, **_attributes(request))


def drop(request: Request, response: Response, name: str) -> None:
    """Have the browser forget it."""
    response.delete_cookie(name, **_attributes(request))


def unsealed(serializer: URLSafeTimedSerializer, text: str, seconds: int) -> Any:
    """What was sealed, None where it was not sealed by us, or longer ago."""
    try:
        return serializer.loads(text, max_age=seconds)
    except BadData:
        return None


def settings_of(request: Request) -> Settings:
    """The settings of the application that answers."""
    found: Settings = request.app.state.settings
    return found


def _sealed(settings: Settings, role: Role) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key_for(settings, "session", role))


def _attributes(request: Request) -> dict[str, Any]:
    is_secure = request.url.scheme == "https" or settings_of(request).web_origin.startswith("https:")
    path = request.scope.get("root_path") or "/"
    return {"path": path, "httponly": True, "samesite": "lax", "secure": is_secure}
