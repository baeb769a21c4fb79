"""Whether there is a database to look at, and whether it is ours: asked before anything else is read."""

from pathlib import Path

from sqlalchemy import Engine

from shared import schema
from shared.errors import SchemaMismatch


def check_ready(engine: Engine) -> None:
    """Raises SchemaMismatch, saying what to run, where the database is missing, empty, older or newer.

    An SQLite file is looked for first, because connecting would create it, empty.
    """
    path = engine.url.database
    if engine.dialect.name == "sqlite" and path and not path.startswith("file:") and not Path(path).exists():
        raise SchemaMismatch(f"there is no database at {path}; run: bookbot-worker db upgrade")
    schema.check(engine)
