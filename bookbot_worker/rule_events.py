"""Where the golden rule looks: SQLAlchemy's own events, which every session and connection of a job passes.

Listeners are on the classes, for every engine of the process, because a job may bring an engine of its own; outside
jobs they cost one look-up.
"""

import re
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction

from bookbot_worker.driver_guard import belongs_to
from bookbot_worker.golden_rule import GUARDED, Rule, place, rule_in_force, transaction_command
from bookbot_worker.job_session import JobSession
from bookbot_worker.outcomes import GoldenRuleViolation, JobCancelled


def watch() -> None:
    """Start watching SQLAlchemy's events; calling it again changes nothing. Called when a processor starts."""
    for target, name, listener in _LISTENERS:
        if not event.contains(target, name, listener):
            event.listen(target, name, listener)


def _rule_for(connection: Connection) -> Rule | None:
    """The rule this connection is under: its session's, or that of the job whose thread uses the database."""
    own: Rule | None = connection.get_execution_options().get(GUARDED)
    rule = own or rule_in_force.get()
    if rule is None or rule.is_lifted:
        return None
    return rule if own is not None or place(connection.engine.url) == rule.database else None


def _on_begin(connection: Connection) -> None:
    own: Rule | None = connection.get_execution_options().get(GUARDED)
    if own is not None:
        own.takes(connection)
        belongs_to(connection, own)
    elif (rule := _rule_for(connection)) is not None:
        rule.broken("a connection of its own to the same database; use self.session")


def _on_begin_twophase(connection: Connection, _xid: Any) -> None:
    if (rule := _rule_for(connection)) is not None:
        rule.broken("a two-phase transaction")


def _on_commit(connection: Connection, *_xid: Any) -> None:
    if (rule := _rule_for(connection)) is not None:
        rule.broken("commit on a connection", lambda: _undo(connection, rule))


def _on_rollback(connection: Connection, *_xid: Any) -> None:
    rule = _rule_for(connection)
    if rule is not None and not rule.flushing:
        rule.broken("rollback on a connection", lambda: _undo(connection, rule))


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
    if rule.is_fenced:
        raise JobCancelled("fenced out")
    word = statement[:6].upper()
    if word in _DATA_WORDS and ";" not in statement:
        if word == "SELECT":
            rule.has_read(statement)
        else:
            rule.begin_writing(connection)
        return
    if command := transaction_command(statement):
        rule.broken(f"the statement {command}")
    if _READING.match(statement):
        rule.has_read(statement)
    else:
        rule.begin_writing(connection)


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
_LISTENERS: tuple[tuple[Any, str, Any], ...] = (
    (Engine, "begin", _on_begin),
    (Engine, "begin_twophase", _on_begin_twophase),
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
