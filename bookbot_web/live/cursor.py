"""Where a stream begins: an opaque text that a page is given, an event carries, and a client brings back.

For a job it is a place in the log, for lists what they looked like. Clients must not read it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from shared.errors import InvalidInput
from shared.ids import check_id
from shared.views.signatures import signature
from shared.views.watching import BEGINNING, Position, last_position, place_of

_PLACE = re.compile(r"(\d{1,9})\.(\d{1,9})\.([0-9a-fA-F-]{36})", re.ASCII)
_LISTS = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{16}){0,9}", re.ASCII)


def cursor_for(session: Session, job_id: str) -> str:
    """The cursor after the job's last line. Ask before the lines are read: one that is shown twice can be told apart
    by (attempt, seq, claim_id), one that fell between the two cannot be missed.
    """
    return write_place(last_position(session, job_id))


def cursor_of(line: Mapping[str, Any]) -> str:
    """The cursor after this line, as a view returns it."""
    return write_place(place_of(line))


def cursor_for_lists(session: Session, topics: Sequence[str], book_id: str | None = None) -> str:
    """The cursor of what these lists look like now. Ask before the lists are read."""
    return "-".join(signature(session, topic, book_id) for topic in sorted(set(topics)))


def write_place(place: Position) -> str:
    """The cursor after `place`."""
    return f"{place.attempt}.{place.seq}.{place.claim_id}"


def read_place(field: str, given: str | None) -> Position:
    """The place a cursor stands for; without one the beginning. Raises InvalidInput naming `field`."""
    if not given:
        return BEGINNING
    found = _PLACE.fullmatch(given)
    if found is None:
        raise InvalidInput(field, "is no cursor of this job's events")
    return Position(int(found[1]), int(found[2]), check_id(field, found[3]))


def read_lists(field: str, given: str | None) -> str | None:
    """The cursor of lists, None without one. Raises InvalidInput naming `field`."""
    if given and not _LISTS.fullmatch(given):
        raise InvalidInput(field, "is no cursor of these events")
    return given or None
