"""The web as it runs in production: on PostgreSQL under a role of its own, with the rights that `db grants` prints."""

import contextlib

import psycopg
from sqlalchemy import make_url

from shared.database import parse_database_url
from shared.grants import grants
from shared.settings import Settings
from tests.support.postgres import execute

ROLE = "bookbot web of tests"
PASSWORD = "not a secret"  # noqa: S105 - of a server that lives as long as the tests


def as_web(settings: Settings, *, operate: bool = False) -> Settings:
    """`settings`, but for the web's role (`operate`: also with queues and schedules); on SQLite the same."""
    owner = settings.database_url.get_secret_value()
    if parse_database_url(owner).get_backend_name() == "sqlite":
        return settings
    with contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        execute(owner, f"CREATE ROLE \"{ROLE}\" LOGIN PASSWORD '{PASSWORD}'")
    execute(owner, grants(ROLE, operate=operate))
    url = make_url(owner).set(username=ROLE, password=PASSWORD).render_as_string(hide_password=False)
    return settings.model_copy(update={"database_url": type(settings.database_url)(url)})
