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
from functools import lru_cache
from typing import Any, NoReturn

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from bookbot_worker.outcomes import GoldenRuleViolation, JobCancelled
from bookbot_worker.severing import cut_off

GUARDED = "job_guard"
"""Execution option of connections that belong to a job's session: its Rule, whichever thread uses them."""


READS_KEPT = 500
"""Queries of one transaction that are remembered; beyond, nobody knows what it did."""


STATEMENTS_KNOWN = 200
"""Texts of statements whose judgement is remembered: jobs of one type send the same ones."""


class Rule:
    """The golden rule for one attempt: whether it is lifted, and whether it was broken. `database`: its `place`."""

    def __init__(self, database: tuple[object, ...], before_write: Callable[[], None]) -> None:
        self.database = database
        self.before_write = before_write
        self.wrote = False
        self.violation: GoldenRuleViolation | None = None
        self.lost_transaction: str | None = None
        self.flushing = 0
        self.is_fenced = False
        self.reads: list[str] = []
        self.sent = 0
        self._lifted_for: int | None = None
        self._held: Connection | None = None
        self._changes_before: int | None = None
        self._severed: Any = None
        self._lock = threading.RLock()

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

    def takes(self, connection: Connection) -> None:
        """The attempt uses `connection` from now on. Raises JobCancelled where it was fenced out."""
        with self._lock:
            if not self.is_fenced:
                self._held = connection
                self._changes_before = _changes(connection)
                self.reads.clear()
                self.sent = 0
                return
        raise JobCancelled("fenced out")

    def has_read(self, statement: str) -> None:
        """Remember a query of the current transaction: one that calls a function may have written all the same."""
        if len(self.reads) <= READS_KEPT:
            self.reads.append(statement)

    def has_only_read(self) -> bool:
        """Whether the current transaction has certainly written nothing; where in doubt, it has."""
        return not self.wrote and len(self.reads) <= READS_KEPT and all(map(is_plain_query, self.reads))

    @property
    def was_passed_by(self) -> bool:
        """Whether statements went to the driver that SQLAlchemy's events did not show."""
        return self.sent != len(self.reads)

    def lets_go(self) -> None:
        """The attempt's connection goes back to the pool."""
        with self._lock:
            self._held = None
            self.reads.clear()

    def fence(self) -> None:
        """Take the database away from an attempt whose thread does not stop; what it has sent is rolled back.

        Called by another thread. The connection is cut and leaves the pool, which makes a new one in its place.
        """
        with self._lock:
            self.is_fenced = True
            held, self._held = self._held, None
            if held is not None:
                self._severed = cut_off(held)

    def expire(self) -> None:
        """The attempt has ended: threads it has left behind get no connection any more."""
        with self._lock:
            self.is_fenced = True

    def bury(self) -> None:
        """The attempt's thread has come back: close what was cut."""
        if self._severed is not None:
            self._severed.close()

    def begin_writing(self, connection: Connection) -> None:
        """Before a transaction's first write: on SQLite, begin again as a writer (nothing is lost, it only read)."""
        if self.wrote:
            return
        self.wrote = True
        if connection.dialect.name == "sqlite" and self._changes_before in (None, _changes(connection)):
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


def _changes(connection: Connection) -> int:
    """How many rows SQLite's connection has changed, whoever sent the statements; 0 on PostgreSQL."""
    return int(getattr(connection.connection.driver_connection, "total_changes", 0))


def place(url: URL) -> tuple[object, ...]:
    """What two URLs of the same database have in common; an SQLite file may be spelled in many ways."""
    if url.get_backend_name() == "sqlite":
        return (os.path.realpath(url.database or ""),)
    return url.host, url.port, url.database, url.query.get("host"), url.query.get("port")


_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|;)\s*(commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=STATEMENTS_KNOWN)
def transaction_command(statement: str) -> str | None:
    """The first command in `statement` that would end a transaction, in capitals; None if there is none."""
    found = _COMMAND.search(_NOISE.sub(" ", statement))
    return " ".join(found.group(1).upper().split()) if found else None


_ROW_LOCK = re.compile(r"\bfor\s+(no\s+key\s+|key\s+)?(update|share)\b", re.IGNORECASE)
_CALL = re.compile(r"\b(\w+)\s*\(")
_HARMLESS = frozenset(
    word
    for line in (
        "and as avg by cast coalesce count distinct exists extract from group having in join length like lower max min",
        "not on or order over partition row_number select substr sum then trim union upper using values varchar when",
        "where with",
    )
    for word in line.split()
)


@lru_cache(maxsize=STATEMENTS_KNOWN)
def is_plain_query(statement: str) -> bool:
    """Whether this SELECT locks no row, and calls nothing but functions that are known to write nothing."""
    statement = _NOISE.sub(lambda found: " quoted" if found[0].startswith('"') else " ", statement)
    return not _ROW_LOCK.search(statement) and all(name.lower() in _HARMLESS for name in _CALL.findall(statement))
