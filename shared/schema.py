"""The version of the database's schema: bring it up to date, or say whether it is.

Only `db upgrade`, the demo and an SQLite worker migrate; a worker on PostgreSQL checks and refuses to start,
because DDL from many starting workers queues behind any open transaction and stops the site.
"""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from shared.database import is_postgresql, read_only
from shared.errors import SchemaMismatch

_ADVISORY_LOCK = 0x626F6F6B  # "book": one migration at a time, whoever starts it


def upgrade(engine: Engine) -> str:
    """Bring the schema to this version's, in one transaction; returns the revision. Safe to call at once from many.

    Raises SchemaMismatch where it is newer than this version.
    """
    with engine.begin() as connection:
        if is_postgresql(connection):
            connection.execute(text("SET LOCAL lock_timeout = '30s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        _refuse_newer(MigrationContext.configure(connection).get_current_revision())
        command.upgrade(_config(connection), "head")
    return head()


def current(engine: Engine) -> str | None:
    """The revision the database is at; None for a database without our tables."""
    with read_only(engine).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The revision this version of the code was written for."""
    revision = ScriptDirectory.from_config(_config(None)).get_current_head()
    if revision is None:
        raise SchemaMismatch("this installation holds no migrations")
    return revision


def check(engine: Engine) -> None:
    """Raises SchemaMismatch, saying what to do, where the database is older or newer than the code."""
    found, wanted = current(engine), head()
    if found == wanted:
        return
    if found is None:
        raise SchemaMismatch("the database has no BookBot tables yet; run: bookbot-worker db upgrade")
    _refuse_newer(found)
    raise SchemaMismatch(f"the database is at {found}, this version needs {wanted}; run: bookbot-worker db upgrade")


def _refuse_newer(found: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaMismatch(f"the database is at {found}, newer than this version knows; upgrade the installation")


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("shared") / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
