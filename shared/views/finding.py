"""From what a person typed to one id: the whole id, or the beginning that only one row has.

Ids are native UUIDs on PostgreSQL and 32 hex digits on SQLite, so a prefix is searched as a range of ids,
which both databases answer from the primary key.
"""

import re
import uuid
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from shared.errors import InvalidInput, NotFound

SHORTEST_PREFIX = 4
_HEX = re.compile(r"[0-9a-f]{1,32}", re.ASCII)


def find_id(session: Session, column: InstrumentedAttribute[str], kind: str, given: str) -> str:
    """The id in `column` that begins with `given` (at least 4 hex digits, dashes optional).

    `kind` names the thing in the error. Raises NotFound, or InvalidInput where it is no id, too short or fits several.
    """
    digits = given.strip().lower().replace("-", "")
    if not _HEX.fullmatch(digits):
        raise InvalidInput(kind, f"{given[:80]!r} is not an id")
    if len(digits) < SHORTEST_PREFIX:
        raise InvalidInput(kind, f"{given!r} is too short; give at least {SHORTEST_PREFIX} characters of the id")
    query: Any = select(column).where(column.between(_padded(digits, "0"), _padded(digits, "f"))).order_by(column)
    found = session.scalars(query.distinct().limit(3)).all()
    if not found:
        raise NotFound(kind, given)
    if len(found) > 1:
        raise InvalidInput(kind, f"{given!r} fits several, such as {found[0]} and {found[1]}; give more characters")
    return str(found[0])


def _padded(digits: str, filler: str) -> str:
    return str(uuid.UUID(digits.ljust(32, filler)))
