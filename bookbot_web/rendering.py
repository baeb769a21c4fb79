"""Pages from templates: everything escaped, addresses below the prefix of the proxy, one strict policy for scripts.

A template gets what its route gives it, and from here: `url` (an address of this site), `asset` (a static file, by its
content), `settings` never. Undefined names are errors, so that a typo is no empty page.
"""

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from bookbot_web import wording
from bookbot_web.cookies import session_of
from bookbot_web.flash import forget, said_to
from shared.version import __version__

STATIC = Path(__file__).parent / "static"

_JOB_ID = re.compile(r"\b([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})\b", re.ASCII)

# No inline script or style, nothing from other hosts, in no frame. Images may be data: of our own CSS.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page made of `template` (a name below templates/) and `values`."""
    request.state.said = said_to(request)
    text = _environment().get_template(template).render(request=request, **values)
    response = HTMLResponse(text, status, headers={"Content-Security-Policy": PAGE_POLICY})
    forget(request, response)
    return response


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
    environment.globals |= {"url": _url, "asset": _asset, "may_write": _may_write, "version": __version__}
    environment.globals |= {"with_job_links": _with_job_links, "has_session": _has_session}
    environment.filters |= wording.FILTERS
    return environment


@pass_context
def _url(context: Context, path: str) -> str:
    return address(context["request"], path)


@pass_context
def _with_job_links(context: Context, text: str) -> Markup:
    """`text`, escaped, in which each id leads to a job: sentences shown this way name nothing else."""
    parts = _JOB_ID.split(text)
    linked = Markup('<a class="id" href="{}">{}</a>')
    return Markup("").join(
        linked.format(_url(context, f"/jobs/{part}"), wording.short_id(part)) if number % 2 else part
        for number, part in enumerate(parts)
    )


@pass_context
def _may_write(context: Context) -> bool:
    """Whether who looks may also act; pages leave actions out where not. The routes check it all the same."""
    return bool(getattr(context["request"].state, "may_write", True))


@pass_context
def _has_session(context: Context) -> bool:
    """Whether who looks has signed in, and so can sign out."""
    return session_of(context["request"]) is not None


@pass_context
def _asset(context: Context, name: str) -> str:
    return address(context["request"], f"/static/{name}?v={fingerprint(name)}")


@lru_cache
def fingerprint(name: str) -> str:
    """Changes with the file's content, so that browsers may keep it for ever."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
