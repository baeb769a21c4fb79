"""Pages from templates: everything escaped, addresses below the prefix of the proxy, one strict policy for scripts.

A template gets what its route gives it, and from here: `url` (an address of this site), `asset` (a static file, by its
content), `settings` never. Undefined names are errors, so that a typo is no empty page.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from bookbot_web import wording
from shared.version import __version__

STATIC = Path(__file__).parent / "static"

# No inline script or style, nothing from other hosts, in no frame. Images may be data: of our own CSS.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page made of `template` (a name below templates/) and `values`."""
    text = _environment().get_template(template).render(request=request, **values)
    return HTMLResponse(text, status, headers={"Content-Security-Policy": PAGE_POLICY})


def address(request: Request, path: str) -> str:
    """The address of `path` ("/jobs") on this site, below the prefix a reverse proxy may serve it under."""
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/") + path


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bookbot_web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"url": _url, "asset": _asset, "version": __version__}
    environment.filters |= wording.FILTERS
    return environment


@pass_context
def _url(context: Context, path: str) -> str:
    return address(context["request"], path)


@pass_context
def _asset(context: Context, name: str) -> str:
    return address(context["request"], f"/static/{name}?v={_fingerprint(name)}")


@lru_cache
def _fingerprint(name: str) -> str:
    """Changes with the file's content, so that browsers may keep it for ever."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
