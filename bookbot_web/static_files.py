"""The pages' own scripts and styles. An address carries the file's fingerprint, so a browser may keep it for ever."""

from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from bookbot_web.rendering import STATIC, fingerprint

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class Assets(StaticFiles):
    """Files below static/; those asked for with their fingerprint are kept, others asked for anew."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, and how long it may be kept."""
        response = await super().get_response(path, scope)
        is_current = response.status_code in (200, 304) and scope["query_string"] == f"v={fingerprint(path)}".encode()
        response.headers["Cache-Control"] = FOR_EVER if is_current else ASK_AGAIN
        return response
