"""The FastAPI application: puts the parts together, and nothing else. Building it does no I/O."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from bookbot_web.api import router
from bookbot_web.auth import check_token_setting
from bookbot_web.database import Database
from bookbot_web.health import router as health_router
from bookbot_web.middleware import BodyLimit, SecurityHeaders
from bookbot_web.pages import router as pages_router
from bookbot_web.problems import install_problem_handlers
from bookbot_web.rendering import STATIC
from shared.settings import Settings, load_settings
from shared.version import __version__


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for `settings` (default: the environment). Raises ConfigurationError."""
    settings = settings or load_settings()
    check_token_setting(settings)
    database = Database(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        database.close()

    # The stock /docs page loads its script from a foreign host; /openapi.json is served instead.
    app = FastAPI(title="BookBot jobs", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.settings = settings
    app.state.database = database
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    install_problem_handlers(app)
    app.include_router(health_router, prefix="/api")
    app.include_router(router, prefix="/api")
    app.include_router(pages_router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
