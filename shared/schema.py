"""The version of the database's schema: bring it up to date, or say whether it is.

A newer schema names the oldest version of the code that may still work on it (`schema_info.oldest_worker`), so that a
migration and the restart of its workers need not be one moment. Revisions are numbers with leading zeros.

Only `db upgrade`, the demo and an SQLite worker migrate; a worker on PostgreSQL checks and refuses to start,
because DDL from many starting workers queues behind any open transaction and stops the site. To check takes no Alembic,
which would be a tenth of a worker's start.
"""

import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, inspect, select, text
from sqlalchemy.exc import OperationalError

from shared.database import is_postgresql, read_only
from shared.errors import SchemaMismatch
from shared.models import SchemaInfo

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATION = re.compile(r"(\d{4})_\w+\.py")
"""The name of a migration's file begins with its revision."""

_ADVISORY_LOCK = 0x626F6F6B  # "book": one migration at a time, whoever starts it

LOCK_PATIENCE = 3
"""Seconds a migration waits for a table: as long as it stands in line, everybody else stands behind it."""

LOCK_TRIES = 20


def upgrade(engine: Engine) -> str:
    """Bring the schema to this version's, in one transaction; returns the revision. Safe to call at once from many.

    Workers may go on meanwhile: where a table is in use, the migration lets them pass and tries again. Raises
    SchemaMismatch where the schema is newer than this version, or what the database says after the last try.
    """
    for tries in range(1, LOCK_TRIES + 1):
        try:
            _upgrade(engine)
        except OperationalError as error:
            if tries == LOCK_TRIES or not isinstance(error.orig, LockNotAvailable):
                raise
        else:
            break
    return head()


def _upgrade(engine: Engine) -> None:
    from alembic import command

    with engine.begin() as connection:
        if is_postgresql(connection):
            connection.execute(text("SET LOCAL lock_timeout = '30s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}s'"))
        _refuse_newer(_revision(connection))
        command.upgrade(_config(connection), "head")


def current(engine: Engine) -> str | None:
    """The revision the database is at; None for a database without our tables."""
    with read_only(engine).connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    """What Alembic has noted; None where it has noted nothing."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    noted: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return noted


def head() -> str:
    """The revision this version of the code was written for. Raises SchemaMismatch where no migrations came with it."""
    if not (known := _known()):
        raise SchemaMismatch("this installation holds no migrations")
    return max(known)


def check(engine: Engine) -> None:
    """Raises SchemaMismatch, saying what to do, where the code may not work on the database, older or newer."""
    found, wanted = current(engine), head()
    if found == wanted:
        return
    if found is None:
        raise SchemaMismatch("the database has no BookBot tables yet; run: bookbot-worker db upgrade")
    if _is_newer(found):
        with read_only(engine).connect() as connection:
            if not is_outdated(connection.scalar(select(SchemaInfo.oldest_worker))):
                return
    _refuse_newer(found)
    raise SchemaMismatch(f"the database is at {found}, this version needs {wanted}; run: bookbot-worker db upgrade")


def is_outdated(oldest_worker: str | None) -> bool:
    """Whether a database that asks for workers of this revision or newer is none for this code."""
    return oldest_worker is not None and oldest_worker > head()


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    names = (_MIGRATION.fullmatch(file.name) for file in (files("shared") / "migrations" / "versions").iterdir())
    return frozenset(name[1] for name in names if name)


def _is_newer(found: str) -> bool:
    return found not in _known()


def is_older(engine: Engine) -> bool:
    """Whether `upgrade` would do something."""
    found = current(engine)
    return found is None or (found != head() and not _is_newer(found))


def _refuse_newer(found: str | None) -> None:
    if found is not None and _is_newer(found):
        raise SchemaMismatch(f"the database is at {found}, newer than this version knows; upgrade the installation")


def _config(connection: Connection | None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("shared") / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
