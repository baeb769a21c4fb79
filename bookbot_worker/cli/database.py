"""How a command reaches the database: the engine of the settings, and a check that it is ours and up to date.

Commands never migrate; they say what to run. Only `run`, `demo` and `db upgrade` go another way.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.database import default_engine, is_postgresql, read_only
from shared.views import check_ready


@contextmanager
def reading(engine: Engine | None = None) -> Iterator[Session]:
    """A session that only reads, on `engine` or else on the settings' checked one. Raises SchemaMismatch."""
    with Session(read_only(engine or checked_engine())) as session:
        yield session


@contextmanager
def one_moment(engine: Engine) -> Iterator[Session]:
    """A session that reads everything as it was at its first statement, however long it takes."""
    if is_postgresql(engine):  # SQLite's readers see one moment anyway
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(read_only(engine)) as session:
        yield session


@contextmanager
def writing(engine: Engine | None = None) -> Iterator[Session]:
    """A session whose work is kept when the block ends well, else dropped. Raises SchemaMismatch."""
    with Session(engine or checked_engine(), expire_on_commit=False) as session, session.begin():
        yield session


def checked_engine() -> Engine:
    """The engine of the settings, after a look at the schema. Raises ConfigurationError or SchemaMismatch."""
    engine = default_engine()
    check_ready(engine)
    return engine
