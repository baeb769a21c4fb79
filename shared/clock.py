"""The database's clock, in SQL. Every instant a decision depends on comes from here, none from a machine.

Machines disagree about the time and jump; the one database does not disagree with itself.
`db_now()` is the moment the statement runs (PostgreSQL `clock_timestamp()`, not `now()`, which is the
start of the transaction); `db_now_plus(seconds)` is that moment shifted. SQLite's clock has milliseconds.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Float, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware `datetime`, stored in UTC; a naive one is refused because it means nothing."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database: in UTC; SQLite has no zone and gets the bare UTC figures."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use datetime.now(UTC)")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database: always aware, always UTC. Most servers speak of UTC already; a job has seven of these."""
        if value is None or getattr(value.tzinfo, "key", None) in ("UTC", "Etc/UTC"):
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class db_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The database's wall clock at the moment this statement runs."""

    type = UtcDateTime()
    inherit_cache = True


class db_transaction_time(FunctionElement[datetime]):  # noqa: N801
    """A clock that stands still during the statement, so that an index can be searched by it (PostgreSQL `now()`)."""

    type = UtcDateTime()
    inherit_cache = True


class _db_now_shifted(FunctionElement[datetime]):  # noqa: N801
    type = UtcDateTime()
    inherit_cache = True
    name = "db_now_shifted"


def db_now_plus(seconds: float | ColumnElement[float]) -> ColumnElement[datetime]:
    """The database's wall clock plus `seconds` (negative for the past)."""
    return _db_now_shifted(literal(seconds, Float) if isinstance(seconds, int | float) else seconds)


SQLITE_NOW = "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


@compiles(db_now)
def _now(element: Any, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    return "clock_timestamp()"


@compiles(db_now, "sqlite")
def _now_sqlite(element: Any, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    return SQLITE_NOW


@compiles(db_transaction_time)
def _transaction_time(element: Any, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    return "now()"


@compiles(db_transaction_time, "sqlite")
def _transaction_time_sqlite(element: Any, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    return SQLITE_NOW


@compiles(_db_now_shifted)
def _shifted(element: Any, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


@compiles(_db_now_shifted, "sqlite")
def _shifted_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', ({seconds}) || ' seconds') || '000')"
