"""The golden rule one storey lower: the driver's own connections refuse to end a job's transaction.

SQLAlchemy's events do not see `session.connection().connection.commit()` or a COMMIT on a raw cursor. So the
worker's engine hands out psycopg and sqlite3 connections that ask first. Outside jobs they add one look-up.
"""

import re
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.sql import Composable
from sqlalchemy import Connection, Engine, event

from bookbot_worker.cuttable_sqlite import CuttableConnection, CuttableCursor
from bookbot_worker.golden_rule import STATEMENTS_KNOWN, Rule, transaction_command
from bookbot_worker.outcomes import JobCancelled
from shared.database import connect_bounded
from shared.io_deadline import BoundedConnection

_OF_A_TRANSACTION = re.compile(
    r"[\s(]*(select|insert|update|delete|with|values|savepoint|release|rollback|begin)\b", re.IGNORECASE
)
_OUTLASTS_IT = (";", "set_config", "advisory_lock", "into temp")


def guard_driver(engine: Engine) -> None:
    """From now on, new connections of `engine` are guarded. Call it before the first one is made."""
    if event.contains(engine, "do_connect", connect_bounded):
        event.remove(engine, "do_connect", connect_bounded)  # the first one that connects would win
    event.listen(engine, "do_connect", _connect_postgresql if engine.dialect.name == "postgresql" else _connect_sqlite)
    event.listen(engine, "checkin", _belongs_to_nobody)


def belongs_to(connection: Connection, rule: Rule) -> None:
    """The driver's connection is under `rule` until it goes back to the pool, whichever thread uses it."""
    driver = connection.connection.driver_connection
    if isinstance(driver, _PostgresConnection | _SqliteConnection):
        driver.rule = rule


def _belongs_to_nobody(connection: Any, record: Any) -> None:
    """Back to the pool; not where a job may have changed the session (SET, PRAGMA, a lock): the next gets a new one."""
    if connection is not None and connection.rule is not None:
        connection.rule.lets_go()
        connection.rule = None
        if connection.is_altered:
            record.invalidate()


def _forbid(connection: Any, act: str, *, by_flush: bool = False) -> None:
    rule: Rule | None = connection.rule
    if rule is not None and not (by_flush and rule.flushing):
        rule.forbid(f"{act} on the driver's connection")


def _check(connection: Any, query: Any) -> None:
    if connection.rule is None:
        return
    if connection.rule.is_fenced and not connection.rule.is_lifted:
        raise JobCancelled("fenced out")
    if isinstance(query, Composable):
        query = query.as_string(connection)
    text = query.decode(errors="replace") if isinstance(query, bytes) else str(query)
    connection.rule.sent += 1
    if command := transaction_command(text):
        _forbid(connection, f"the statement {command}")
    connection.is_altered = connection.is_altered or _may_outlast_its_transaction(text)


@lru_cache(maxsize=STATEMENTS_KNOWN)
def _may_outlast_its_transaction(statement: str) -> bool:
    """Whether the session may not be as it was when the transaction is over; where in doubt, it is not."""
    lowered = statement.lower()
    return not _OF_A_TRANSACTION.match(statement) or any(mark in lowered for mark in _OUTLASTS_IT)


class _PostgresCursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        _check(self.connection, query)
        return super().execute(query, *args, **kwargs)

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        _check(self.connection, query)
        super().executemany(query, *args, **kwargs)

    def stream(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        _check(self.connection, query)
        return super().stream(query, *args, **kwargs)


class _PostgresConnection(BoundedConnection):
    rule: Rule | None = None
    is_altered = False

    def commit(self) -> None:
        _forbid(self, "commit()")
        super().commit()

    def rollback(self) -> None:
        _forbid(self, "rollback()", by_flush=True)
        super().rollback()

    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        _forbid(self, "transaction(), which may commit,")
        return super().transaction(*args, **kwargs)

    def set_autocommit(self, value: bool) -> None:
        _forbid(self, "autocommit")
        super().set_autocommit(value)

    def tpc_begin(self, xid: Any) -> None:
        _forbid(self, "tpc_begin()")
        super().tpc_begin(xid)


class _SqliteCursor(CuttableCursor):
    def execute(self, sql: str, *args: Any) -> Any:
        _check(self.connection, sql)
        return super().execute(sql, *args)

    def executemany(self, sql: str, *args: Any) -> Any:
        _check(self.connection, sql)
        return super().executemany(sql, *args)

    def executescript(self, script: str) -> Any:
        _forbid(self.connection, "executescript(), which commits,")
        return super().executescript(script)


class _SqliteConnection(CuttableConnection):
    rule: Rule | None = None
    is_altered = False

    def cursor(self, factory: Any = _SqliteCursor) -> Any:
        return super().cursor(factory)

    def execute(self, sql: str, *args: Any) -> Any:
        return self.cursor().execute(sql, *args)

    def executemany(self, sql: str, *args: Any) -> Any:
        return self.cursor().executemany(sql, *args)

    def executescript(self, script: str) -> Any:
        return self.cursor().executescript(script)

    def commit(self) -> None:
        _forbid(self, "commit()")
        super().commit()

    def rollback(self) -> None:
        _forbid(self, "rollback()", by_flush=True)
        super().rollback()

    def __enter__(self) -> Any:
        _forbid(self, "a with block, which commits,")
        return super().__enter__()

    def __setattr__(self, name: str, value: Any) -> None:
        """Both attributes commit when they are set; a new connection, which is in no transaction, may be set up."""
        if name in ("isolation_level", "autocommit") and self.in_transaction:
            _forbid(self, name)
        super().__setattr__(name, value)


def _connect_postgresql(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    return _PostgresConnection.connect(*arguments, cursor_factory=_PostgresCursor, **options)


def _connect_sqlite(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    return dialect.connect(*arguments, factory=_SqliteConnection, **options)
