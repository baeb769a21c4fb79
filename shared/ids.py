"""Identifiers: UUID version 7, so that ids sort by the time they were made (RFC 9562, section 5.7).

Fencing tokens are random instead (`db_random_id`): numbers and sequences can repeat after a failover.
"""

import re
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, Uuid, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator
from uuid_utils import uuid7

from shared.errors import InvalidInput

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> str:
    """A new UUIDv7 in its usual 36-character form."""
    return str(uuid7())


def check_id(field: str, value: str) -> str:
    """`value` in canonical form.

    Raises InvalidInput, naming `field`, where it is no UUID at all.
    """
    try:
        return value if _CANONICAL.fullmatch(value) else str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput(field, f"{str(value)[:80]!r} is not an id") from None


class db_random_id(FunctionElement[str]):  # noqa: N801 - reads as the SQL function it is
    """A random UUID made by the database, a new one for every row."""

    type = Uuid(as_uuid=False)
    inherit_cache = True


@compiles(db_random_id)
def _random_id(element: Any, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    return "gen_random_uuid()"


@compiles(db_random_id, "sqlite")
def _random_id_sqlite(element: Any, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    return "lower(hex(randomblob(16)))"


class _Joined(TypeDecorator[Sequence[str]]):
    """Ids with commas between."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str:  # noqa: ARG002
        return ",".join(value or ())


def is_one_of(column: ColumnElement[Any], name: str, dialect: str) -> ColumnElement[bool]:
    """`column`, which holds ids, is in the list bound as `name`.

    One parameter on PostgreSQL, so that the statement stays the same, and prepared, whatever the length; and one text,
    because the driver takes 0.5 ms to write an array of 200. A query of its own makes the array of it: in a plan for
    any parameters, an expression would be carried out anew for each row (50 ms for 200). An expanding IN on SQLite.
    """
    if dialect == "postgresql":
        array = ARRAY(column.type)
        ids = select(cast(func.string_to_array(bindparam(name, type_=_Joined()), ","), array)).scalar_subquery()
        return column == any_(cast(ids, array))
    return column.in_(bindparam(name, expanding=True))


def lean(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """A column to select, an id as text: the driver would make an object of it, to be a string again (2 µs)."""
    if dialect == "postgresql" and isinstance(column.type, Uuid):
        return cast(column, Text).label(column.name)
    return column
