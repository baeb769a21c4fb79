"""Without these nothing else can be looked at: the settings, the modules they name, the database, its tables."""

from typing import Any

from psycopg.errors import InsufficientPrivilege
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.cli.checks import Finding, fail, ok
from bookbot_worker.cli.checks.server import OLDEST
from bookbot_worker.cli.explaining import explain, without_password
from bookbot_worker.daemon import build_processor
from shared import schema
from shared.database import parse_database_url
from shared.errors import BookbotError, SchemaMismatch
from shared.settings import Settings
from shared.views import check_ready

_REFUSALS = {
    "too many clients": "end some clients, or raise max_connections",
    "too many connections": "end some clients, or raise the limit of the role or the database",
    "remaining connection slots": "end some clients, or raise max_connections",
    "password authentication failed": "correct the user or the password in DATABASE_URL",
    "no pg_hba.conf entry": "have the server's pg_hba.conf let this role in from here",
    "does not exist": "create the role and the database: see docs/deploy.md",
    "starting up": "wait: the server recovers",
    "session is read-only": "name the server that takes writes in DATABASE_URL: this one is a standby",
}
"""What to do where a server lets nobody in, by what it says."""


def shown_settings(settings: Settings) -> dict[str, Any]:
    """Every setting by the name of its variable; secrets are masked, of the database's address the password."""
    found: dict[str, Any] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if name == "database_url":
            found["DATABASE_URL"] = without_password(parse_database_url(value.get_secret_value()).render_as_string())
        else:
            found[f"BOOKBOT_{name.upper()}"] = "***" if isinstance(value, SecretStr) else value
    return found


def check_jobs(settings: Settings) -> Finding:
    """Whether every job type has its class."""
    try:
        count = len(tuple(build_processor(settings.model_copy(update={"llm": "offline"})).registry))
    except BookbotError as error:
        return fail("job types", str(error), "correct BOOKBOT_JOB_TYPES or BOOKBOT_JOBS, or what these modules hold")
    return ok("job types", f"{count} are known here")


def check_database(engine: Engine) -> Finding:
    """Whether it answers. An SQLite file that is not there is for the check of the tables."""
    address = without_password(engine.url.render_as_string())
    if engine.dialect.name != "postgresql":
        return ok("database", address)
    try:
        with engine.connect() as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
            number = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
    except SQLAlchemyError as error:
        reason = explain(error)[0]
        advice = [advice for words, advice in _REFUSALS.items() if words in reason]
        return fail("database", f"{address}: {reason}", [*advice, "start the server, or correct DATABASE_URL"][0])
    if int(number) // 10_000 < OLDEST:
        return fail("database", f"{address} is PostgreSQL {version}", f"upgrade it to {OLDEST} or later")
    return ok("database", f"{address} answers, PostgreSQL {version}")


def check_schema(engine: Engine) -> Finding:
    """Whether the tables are those of this version."""
    try:
        check_ready(engine)
    except SchemaMismatch as error:
        detail, _, advice = str(error).partition("; ")
        return fail("schema", detail, advice or "run: bookbot-worker db upgrade")
    except SQLAlchemyError as error:
        if isinstance(getattr(error, "orig", None), InsufficientPrivilege):
            advice = "run doctor as the role that owns the tables, or grant this one what it lacks: see db grants"
            return fail("schema", f"cannot look: {explain(error)[0]}", advice)
        return fail("schema", explain(error)[0], "see whether the file is a database, and whether it may be written")
    return ok("schema", f"at {schema.current(engine)}")
