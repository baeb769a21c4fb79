"""Is this request meant for us, and does it come from one of our own pages? Browsers say so, and no page can fake it.

Sec-Fetch-Site is sent by every browser since 2023, Origin by older ones with every POST. Who sends neither is no
browser. A foreign name in Host means that somebody's DNS points at us (rebinding).
"""

import re
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from bookbot_web.tokens import tokens_of
from shared.settings import Settings

_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)


def check_host(request: Request, settings: Settings) -> None:
    """Raises HTTPException 403 for a name that is not ours, where our names are known.

    They are this machine's without a token, and the public one beside them where that is set.
    """
    host = request.headers.get("host", "")
    if _LOOPBACK_HOST.fullmatch(host):
        return
    if not tokens_of(settings):
        raise HTTPException(403, "without BOOKBOT_WEB_TOKEN only requests to localhost are answered")
    if settings.web_origin and host.lower() != _host_of(settings.web_origin):
        raise HTTPException(403, "this server does not answer to that name")


def require_same_origin(request: Request, settings: Settings) -> None:
    """Raises HTTPException 403 where a browser says that another site's page made the request."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    elif origin is not None:
        ours = {request.headers.get("host", "").lower(), _host_of(settings.web_origin)}
        is_ours = bool(_host_of(origin)) and _host_of(origin) in ours
    else:
        return
    if not is_ours:
        raise HTTPException(403, "the request comes from another site")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
