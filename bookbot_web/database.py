"""The web's way to the database: one session for each request, kept or dropped as a whole.

The block in the endpoint ends before its answer is sent, so "201 Created" is never said of a job whose commit
failed. (A FastAPI dependency that yields is closed only after the answer has left.)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from shared.database import make_engine, read_only
from shared.pg_session import compile_nothing
from shared.settings import Settings

# Endpoints are plain functions and run on Starlette's 40 threads; each has at most one connection.
_POOL_SIZE, _SPARE = 5, 35


class Database:
    """The engine of one application; connects when first asked."""

    def __init__(self, settings: Settings) -> None:
        self._engine = make_engine(settings, application="bookbot-web", pool_size=_POOL_SIZE, spare=_SPARE)
        self._reading = read_only(self._engine)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads."""
        with Session(self._reading) as session:
            compile_nothing(session.connection())
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is committed when the block ends well, and rolled back otherwise."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def _database(request: Request) -> Database:
    found: Database = request.app.state.database
    return found


Db = Annotated[Database, Depends(_database)]
"""Parameter of an endpoint that needs the database."""
