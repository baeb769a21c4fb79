"""The FastAPI application: puts the parts together, and nothing else. Building it does no I/O."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from bookbot_web import live
from bookbot_web.access_log import AccessLog
from bookbot_web.api import router
from bookbot_web.api.answers import PROBLEMS
from bookbot_web.api.health import router as health_router
from bookbot_web.auth import check_token_setting
from bookbot_web.database import Database
from bookbot_web.limits import BodyLimit, WriteLimit
from bookbot_web.middleware import Prefix, SecurityHeaders
from bookbot_web.pages import login
from bookbot_web.pages import router as pages_router
from bookbot_web.problems import install_problem_handlers
from bookbot_web.static_files import Assets
from shared.settings import Settings, load_settings
from shared.version import __version__


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for `settings` (default: the environment). Raises ConfigurationError."""
    settings = settings or load_settings()
    check_token_setting(settings)
    database = Database(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        app.state.live.start()
        yield
        app.state.live.close()
        app.state.live.stop()
        database.close()

    # The stock pages load scripts from a foreign host, and the stock document asks for no token: api/document.py.
    app = FastAPI(title="BookBot jobs", version=__version__, openapi_url=None, lifespan=lifespan)
    app.state.settings = settings
    app.state.database = database
    app.state.live = live.Live(settings, database)
    app.state.logins = login.new_rate()
    app.add_middleware(BodyLimit)
    app.add_middleware(WriteLimit, per_minute=settings.web_writes_per_minute)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog)
    app.add_middleware(Prefix, prefix=settings.web_prefix)
    install_problem_handlers(app)
    app.include_router(health_router, prefix="/api")
    app.include_router(router, prefix="/api")
    app.include_router(live.router, prefix="/api", responses=PROBLEMS)
    app.include_router(login.router)
    app.include_router(pages_router)
    app.mount("/static", Assets(), name="static")
    return app
