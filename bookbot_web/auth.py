"""Who may use the API: holders of the token; without a token, only this machine, and no foreign web page on it.

A browser on this machine could be made to post here by any page (CSRF), or to believe that this is its own
server (DNS rebinding). So without a token the Host must be a loopback name, and a request that changes
something must not come from another origin; Sec-Fetch-Site and Origin are set by the browser, never by a page.
"""

import ipaddress
import re
import secrets
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from shared.errors import ConfigurationError
from shared.settings import Settings

SHORTEST_TOKEN = 16
_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


async def require_access(request: Request) -> None:
    """Lets the request pass, or raises HTTPException 401 or 403."""
    token = token_of(request.app.state.settings)
    if token is not None:
        _require_token(request, token)
        return
    if not _LOOPBACK_HOST.fullmatch(request.headers.get("host", "")):
        raise HTTPException(403, "without BOOKBOT_WEB_TOKEN only requests to localhost are answered")
    if request.method not in _SAFE_METHODS:
        _require_same_origin(request)


def token_of(settings: Settings) -> bytes | None:
    """The token every request must bear; None where none is set (an empty one counts as none)."""
    token = settings.web_token.get_secret_value() if settings.web_token else ""
    return token.encode() or None


def check_token_setting(settings: Settings) -> None:
    """Raises ConfigurationError for a token that could be guessed."""
    token = token_of(settings)
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ConfigurationError(f"BOOKBOT_WEB_TOKEN: must have at least {SHORTEST_TOKEN} characters")


def check_bind_address(host: str, settings: Settings) -> None:
    """Raises ConfigurationError for an address other machines can reach while there is no token."""
    if token_of(settings) is None and not is_loopback(host):
        raise ConfigurationError(
            f"refusing to listen on {host!r} without a token: set BOOKBOT_WEB_TOKEN, or use --host 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_token(request: Request, token: bytes) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    is_right = secrets.compare_digest(given.strip().encode("latin-1"), token)
    if scheme.lower() != "bearer" or not is_right:
        raise HTTPException(401, "a valid bearer token is needed", headers={"WWW-Authenticate": "Bearer"})


def _require_same_origin(request: Request) -> None:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    elif origin is not None:
        is_ours = _host_of(origin) == request.headers.get("host", "").lower()
    else:
        return  # no browser: those send at least one of the two with every POST
    if not is_ours:
        raise HTTPException(403, "the request comes from another site")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
