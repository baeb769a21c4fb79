"""A sentence that survives one redirect."""

from fastapi import Request
from fastapi.responses import RedirectResponse

from bookbot_web.rendering import address


def redirect(request: Request, path: str, said: str | None = None) -> RedirectResponse:  # noqa: ARG001
    """303 to `path`."""
    return RedirectResponse(address(request, path), 303)
