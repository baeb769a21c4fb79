"""Signing in with a token, and out. Of all pages only these ask for nothing."""

import re

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from bookbot_web.cookies import SESSION, drop, open_session, session_of, settings_of
from bookbot_web.forms import Form, text_of
from bookbot_web.middleware import client_of
from bookbot_web.origin import check_host, require_same_origin
from bookbot_web.rates import Rate
from bookbot_web.rendering import address, render
from bookbot_web.tokens import role_of, tokens_of

router = APIRouter(include_in_schema=False)

BURST, PER_SECOND = 10, 1 / 6
"""How often one client may try: ten times, then ten times a minute."""

_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}", re.ASCII)


def new_rate() -> Rate:
    """For one application."""
    return Rate(BURST, PER_SECOND)


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - as the address says
    """The form; who needs none is led on."""
    check_host(request, settings_of(request))
    if not tokens_of(settings_of(request)) or session_of(request):
        return RedirectResponse(address(request, own_path_of(next)), 303)
    return render(request, "login.html", here="", next=own_path_of(next), error=None)


@router.post("/login")
def login(request: Request, form: Form) -> Response:
    """Open a session for a token that is right. How often one client may try is bounded."""
    settings = settings_of(request)
    check_host(request, settings)
    require_same_origin(request, settings)
    onward = own_path_of(text_of(form, "next") or "/")
    wait = request.app.state.logins.seconds_to_wait(client_of(request.scope))
    if wait:
        raise HTTPException(429, "too many attempts to sign in", headers={"Retry-After": str(int(wait) + 1)})
    role = role_of(settings, (text_of(form, "token") or "").encode(errors="replace"))
    if role is None:
        return render(request, "login.html", 401, here="", next=onward, error="This is not the token.")
    response = RedirectResponse(address(request, onward), 303)
    open_session(request, response, role)
    return response


@router.post("/logout")
def logout(request: Request, _: Form) -> Response:
    """Have the browser forget its session."""
    settings = settings_of(request)
    check_host(request, settings)
    require_same_origin(request, settings)
    response = RedirectResponse(address(request, "/login"), 303)
    drop(request, response, SESSION)
    return response


def own_path_of(onward: str) -> str:
    """`onward` where it is a path of this site, else the front page: nobody is led away from here."""
    return onward if _OWN_PATH.fullmatch(onward) else "/"
