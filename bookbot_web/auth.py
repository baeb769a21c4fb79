"""Who may use the web: holders of a token; without tokens, only this machine, and no foreign web page on it.

A token comes as a bearer, or in a session cookie that the login page gave for it. Whoever comes with a cookie, or with
nothing because no token is set, comes perhaps by a browser that a foreign page drives (CSRF); so what changes something
must come from our own pages (`origin.py`). A request with a bearer cannot be made by a foreign page.
"""

import ipaddress

from fastapi import HTTPException, Request

from bookbot_web.cookies import session_of, settings_of
from bookbot_web.origin import check_host, require_same_origin
from bookbot_web.tokens import Role, check_tokens, role_of, tokens_of
from shared.errors import ConfigurationError
from shared.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_BY_A_PROXY = ("x-forwarded-for", "forwarded", "x-real-ip")

check_token_setting = check_tokens


async def require_access(request: Request) -> None:
    """Lets the request pass and sets `request.state.may_write`, or raises HTTPException 401 or 403."""
    settings = settings_of(request)
    check_host(request, settings)
    changes = request.method not in SAFE_METHODS
    role, is_by_bearer = _identify(request, settings)
    if changes and not is_by_bearer:
        require_same_origin(request, settings)
    if changes and role is not Role.WRITE:
        raise HTTPException(403, "this token may only look; to change something takes BOOKBOT_WEB_TOKEN")
    request.state.may_write = role is Role.WRITE


def check_bind_address(host: str, settings: Settings) -> None:
    """Raises ConfigurationError for an address other machines can reach while there is no token."""
    if not tokens_of(settings) and not is_loopback(host):
        raise ConfigurationError(
            f"refusing to listen on {host!r} without a token: set BOOKBOT_WEB_TOKEN, or use --host 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _identify(request: Request, settings: Settings) -> tuple[Role, bool]:
    """The role, and whether it was proved by a bearer token, which no foreign page can send."""
    if not tokens_of(settings):
        _require_this_machine(request)
        return Role.WRITE, False
    if "authorization" in request.headers:
        scheme, _, given = request.headers["authorization"].partition(" ")
        role = role_of(settings, given.strip().encode("latin-1"))
        if role is None or scheme.lower() != "bearer":
            raise _unauthorized("this is no valid bearer token")
        return role, True
    if role := session_of(request):
        request.state.has_session = True
        return role, False
    raise _unauthorized("a valid bearer token, or a session of the login page, is needed")


def _unauthorized(words: str) -> HTTPException:
    return HTTPException(401, words, headers={"WWW-Authenticate": "Bearer"})


def _require_this_machine(request: Request) -> None:
    """However the server was started: anonymous is served who connects from here, and not through a proxy."""
    peer = request.client.host if request.client else ""  # a Unix socket has no address
    if any(name in request.headers for name in _BY_A_PROXY) or (_is_address(peer) and not is_loopback(peer)):
        raise HTTPException(403, "without BOOKBOT_WEB_TOKEN only this machine is served, and nobody through a proxy")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
