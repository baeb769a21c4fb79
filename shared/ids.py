"""Identifiers: UUID version 7, so that ids sort by the time they were made (RFC 9562, section 5.7)."""

import uuid

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
