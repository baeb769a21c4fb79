"""Databases to try jobs on: an SQLite file made in milliseconds, or one that is named, if it is small."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from shared import schema
from shared.database import make_engine
from shared.settings import Settings, load_settings

QUICK: dict[str, Any] = {
    "poll_seconds": 0.05,
    "health_port": 0,
    "queues": (),
    "tracing": False,
    "llm": "offline",
    "offline_words_per_second": 0.0,
}
"""Whatever the environment says: a test waits for nothing, opens no port, and asks nobody who must be paid."""


def scratch_settings(folder: Path, **overrides: Any) -> Settings:
    """Settings for a fresh database in `folder`; the rest comes from the environment, as for a worker."""
    path = folder / "bookbot.db"
    path.write_bytes(_migrated())
    return load_settings(**{**QUICK, "database_url": f"sqlite:///{path}", **overrides})


def settings_for(url: str, **overrides: Any) -> Settings:
    """Settings for the database at `url`, which gets its tables if it is empty. Raises SchemaMismatch."""
    settings = load_settings(**{**QUICK, "database_url": url, **overrides})
    engine = make_engine(settings)
    try:
        if schema.current(engine) is None:
            schema.upgrade(engine)
        schema.check(engine)
    finally:
        engine.dispose()
    return settings


@contextmanager
def on_a_database(database: Settings | str | None) -> Iterator[Settings]:
    """The settings for it; where it is None, for a scratch database that is gone after the block."""
    if isinstance(database, Settings):
        yield database
    elif database is not None:
        yield settings_for(database)
    else:
        with tempfile.TemporaryDirectory(prefix="bookbot-") as folder:
            yield scratch_settings(Path(folder))


@lru_cache(maxsize=1)
def _migrated() -> bytes:
    """An SQLite file with all tables; migrating takes 0.3 s, writing it down again nothing."""
    with tempfile.TemporaryDirectory(prefix="bookbot-") as folder:
        path = Path(folder) / "bookbot.db"
        engine = make_engine(load_settings(database_url=f"sqlite:///{path}"))
        schema.upgrade(engine)
        engine.dispose()
        return path.read_bytes()
