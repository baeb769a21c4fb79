"""The golden rule, enforced: job code must not commit or roll back, by whatever route.

Every route ends in one of four places, and each is watched here; a violation raises GoldenRuleViolation before
any SQL is sent and is remembered, so that a job which swallows it still ends in `error`:

- methods of the job's Session (`job_session.py`);
- SQLAlchemy Core's transaction events, on every engine that points at the worker's database (`rule_events.py`);
- the text of statements ("COMMIT", "/**/ rollback; begin");
- the driver's own connection (`driver_guard.py`).

Watching the Session's methods alone lets 7 of 8 routes through (measured). Savepoints stay allowed. A session
or connection of the job's own to the same database is refused when it begins: it would not be part of the
job's transaction.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NoReturn

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from bookbot_worker.outcomes import GoldenRuleViolation

GUARDED = "job_guard"
"""Execution option of connections that belong to a job's session: its Rule, whichever thread uses them."""


class Rule:
    """The golden rule for one attempt: whether it is lifted, and whether it was broken."""

    def __init__(self, database: URL, before_write: Callable[[], None]) -> None:
        self.database = place(database)
        self.before_write = before_write
        self.wrote = False
        self.violation: GoldenRuleViolation | None = None
        self.lost_transaction: str | None = None
        self.flushing = 0
        self._lifted_for: int | None = None

    @property
    def is_lifted(self) -> bool:
        """Whether this thread may end the transaction: only the one that is inside `permitted`."""
        return self._lifted_for == threading.get_ident()

    @contextmanager
    def permitted(self) -> Iterator[None]:
        """Inside, the engine itself is at work: parking, settling, discarding."""
        before, self._lifted_for = self._lifted_for, threading.get_ident()
        token = rule_in_force.set(self)
        try:
            yield
        finally:
            rule_in_force.reset(token)
            self._lifted_for = before

    def begin_writing(self, connection: Connection) -> None:
        """Before a transaction's first write: on SQLite, begin again as a writer (nothing is lost, it only read)."""
        if self.wrote:
            return
        self.wrote = True
        if connection.dialect.name == "sqlite":
            self.before_write()
            driver = connection.connection.driver_connection
            with self.permitted():
                driver.execute("ROLLBACK")  # type: ignore[union-attr]
                driver.execute("BEGIN IMMEDIATE")  # type: ignore[union-attr]

    def forbid(self, act: str) -> None:
        """Raises GoldenRuleViolation, and remembers it, unless the rule is lifted."""
        if not self.is_lifted:
            self.broken(act)

    def broken(self, act: str, undo: Callable[[], None] = lambda: None) -> NoReturn:
        """Remember, then undo, then raise."""
        self.violation = self.violation or GoldenRuleViolation(act)
        undo()
        raise self.violation


rule_in_force: ContextVar[Rule | None] = ContextVar("rule_in_force", default=None)
"""The rule of the job this thread runs; None outside jobs."""


def place(url: URL) -> tuple[object, ...]:
    """What two URLs of the same database have in common; an SQLite file may be spelled in many ways."""
    if url.get_backend_name() == "sqlite":
        return (os.path.realpath(url.database or ""),)
    return url.host, url.port, url.database


_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|;)\s*(commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b",
    re.IGNORECASE,
)


def transaction_command(statement: str) -> str | None:
    """The first command in `statement` that would end a transaction, in capitals; None if there is none."""
    found = _COMMAND.search(_NOISE.sub(" ", statement))
    return " ".join(found.group(1).upper().split()) if found else None
