"""The golden rule, enforced: job code must not commit or roll back, by whatever route.

Every route ends in one of four places, and each is watched here; a violation raises GoldenRuleViolation before
any SQL is sent and is remembered, so that a job which swallows it still ends in `error`:

- methods of the job's Session;
- SQLAlchemy Core's transaction events, on every engine that points at the worker's database;
- the text of statements ("COMMIT", "/**/ rollback; begin");
- the driver's own connection (`driver_guard.py`).

Watching the Session's methods alone lets 7 of 8 routes through (measured). Savepoints stay allowed. A session
or connection of the job's own to the same database is refused when it begins: it would not be part of the
job's transaction.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session, SessionTransaction

from bookbot_worker.outcomes import GoldenRuleViolation

GUARDED = "job_guard"
"""Execution option of connections that belong to a job's session."""


class Rule:
    """The golden rule for one attempt: whether it is lifted, and whether it was broken."""

    def __init__(self, database: URL, before_write: Callable[[], None]) -> None:
        self.database = (database.host, database.port, database.database)
        self.before_write = before_write
        self.wrote = False
        self.violation: GoldenRuleViolation | None = None
        self.lost_transaction: str | None = None
        self.is_lifted = False
        self.flushing = 0

    @contextmanager
    def permitted(self) -> Iterator[None]:
        """Inside, the engine itself is at work: parking, settling, discarding."""
        before, self.is_lifted = self.is_lifted, True
        token = rule_in_force.set(self)
        try:
            yield
        finally:
            rule_in_force.reset(token)
            self.is_lifted = before

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

    def broken(self, act: str) -> NoReturn:
        """Raise and remember."""
        self.violation = self.violation or GoldenRuleViolation(act)
        raise self.violation


rule_in_force: ContextVar[Rule | None] = ContextVar("rule_in_force", default=None)
"""The rule of the job this thread runs; None outside jobs."""


class JobSession(Session):
    """A Session whose transaction only the engine may end."""

    def __init__(self, engine: Engine, rule: Rule) -> None:
        super().__init__(engine, autoflush=False, expire_on_commit=False)
        self.rule = rule

    def commit(self) -> None:
        self.rule.forbid("session.commit()")
        super().commit()

    def rollback(self) -> None:
        self.rule.forbid("session.rollback()")
        super().rollback()

    def close(self) -> None:
        self.rule.forbid("session.close()")
        super().close()

    def reset(self) -> None:
        self.rule.forbid("session.reset()")
        super().reset()

    def invalidate(self) -> None:
        self.rule.forbid("session.invalidate()")
        super().invalidate()

    def prepare(self) -> None:
        self.rule.forbid("session.prepare()")
        super().prepare()

    def begin(self, nested: bool = False) -> SessionTransaction:
        if not nested:
            self.rule.forbid("session.begin()")
        return super().begin(nested)

    def flush(self, objects: Any = None) -> None:
        """Send pending writes. Where that fails SQLAlchemy ends the transaction; the job cannot complete then."""
        self.rule.flushing += 1
        try:
            super().flush(objects)
        except Exception as error:
            if not self.rule.is_lifted and not self.in_nested_transaction():
                self.rule.lost_transaction = f"a failed flush ended the job's transaction: {type(error).__name__}"
            raise
        finally:
            self.rule.flushing -= 1


def watch() -> None:
    """Start watching SQLAlchemy's events; calling it again changes nothing. Called when a processor starts."""
    for target, name, listener in _LISTENERS:
        if not event.contains(target, name, listener):
            event.listen(target, name, listener)


def _rule_for(connection: Connection) -> Rule | None:
    """The rule this connection is under: its session's, or that of the job whose thread uses the database."""
    rule = rule_in_force.get()
    if rule is None or rule.is_lifted:
        return None
    if connection.get_execution_options().get(GUARDED):
        return rule
    url = connection.engine.url
    return rule if (url.host, url.port, url.database) == rule.database else None


def _on_begin(connection: Connection) -> None:
    rule = _rule_for(connection)
    if rule is not None and not connection.get_execution_options().get(GUARDED):
        rule.broken("a connection of its own to the same database; use self.session")


def _on_commit(connection: Connection, *_xid: Any) -> None:
    if (rule := _rule_for(connection)) is not None:
        _undo(connection, rule)
        rule.broken("commit on a connection")
    _forbid_from_other_threads(connection)


def _on_rollback(connection: Connection, *_xid: Any) -> None:
    rule = _rule_for(connection)
    if rule is not None and not rule.flushing:
        _undo(connection, rule)
        rule.broken("rollback on a connection")


def _undo(connection: Connection, rule: Rule) -> None:
    """Roll back what the connection holds, now.

    After the exception SQLAlchemy takes its transaction for finished, and would return the connection to the pool
    as it is, for the next job to commit.
    """
    with rule.permitted():
        connection.connection.rollback()


def _on_options(connection: Connection, options: dict[str, Any]) -> None:
    if "isolation_level" in options and (rule := _rule_for(connection)) is not None:
        rule.broken("a changed isolation level, which may commit every statement")


def _on_statement(
    connection: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    rule = _rule_for(connection)
    if rule is None:
        return
    word = statement[:6].upper()
    if word in _DATA_WORDS and ";" not in statement:
        if word != "SELECT":
            rule.begin_writing(connection)
        return
    if command := transaction_command(statement):
        rule.broken(f"the statement {command}")
    if not _READING.match(statement):
        rule.begin_writing(connection)


def _forbid_from_other_threads(connection: Connection) -> None:
    """A thread the job started has no rule in force, but its connection still belongs to the job."""
    if connection.get_execution_options().get(GUARDED) and rule_in_force.get() is None:
        raise GoldenRuleViolation("commit from a thread the job started")


def _before_session_commit(session: Session) -> None:
    """Also reached by `session.get_transaction().commit()`, even when there is nothing to send."""
    if isinstance(session, JobSession) and not session.in_nested_transaction():
        session.rule.forbid("commit of the session's transaction")


def _after_session_rollback(session: Session, transaction: SessionTransaction) -> None:
    """Reached by `session.get_transaction().rollback()`: what the job had added is gone, so it cannot complete."""
    if isinstance(session, JobSession) and not transaction.nested and not session.rule.is_lifted:
        rule = session.rule
        rule.wrote = False
        if not rule.flushing:
            rule.violation = rule.violation or GoldenRuleViolation("rollback of the session's transaction")


_DATA_WORDS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_READING = re.compile(r"\s*(select|explain|show|pragma|values|begin)\b", re.IGNORECASE)
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|;)\s*(commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b",
    re.IGNORECASE,
)


def transaction_command(statement: str) -> str | None:
    """The first command in `statement` that would end a transaction, in capitals; None if there is none."""
    found = _COMMAND.search(_NOISE.sub(" ", statement))
    return " ".join(found.group(1).upper().split()) if found else None


_LISTENERS: tuple[tuple[Any, str, Any], ...] = (
    (Engine, "begin", _on_begin),
    (Engine, "commit", _on_commit),
    (Engine, "rollback", _on_rollback),
    (Engine, "commit_twophase", _on_commit),
    (Engine, "rollback_twophase", _on_rollback),
    (Engine, "prepare_twophase", _on_commit),
    (Engine, "set_connection_execution_options", _on_options),
    (Engine, "before_cursor_execute", _on_statement),
    (Session, "before_commit", _before_session_commit),
    (Session, "after_soft_rollback", _after_session_rollback),
)
