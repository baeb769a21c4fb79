"""Identifiers: UUID version 7, so that ids sort by the time they were made (RFC 9562, section 5.7).

Fencing tokens are random instead (`db_random_id`): numbers and sequences can repeat after a failover.
"""

import uuid
from typing import Any

from sqlalchemy import Uuid
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from uuid_utils.compat import uuid7

from shared.errors import InvalidInput


def new_id() -> str:
    """A new UUIDv7 in its usual 36-character form."""
    return str(uuid7())


def check_id(field: str, value: str) -> str:
    """`value` in canonical form.

    Raises InvalidInput, naming `field`, where it is no UUID at all.
    """
    try:
        return str(uuid.UUID(value))
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
