"""JSON and instants at the edges: strict on the way in, ISO 8601 in UTC on the way out.

`json.loads` alone accepts NaN, keeps the last of two equal keys, and raises three different exceptions for
hostile documents; web and CLI must not each find that out.
"""

import json
from datetime import UTC, datetime
from typing import Any, NoReturn

from shared.errors import InvalidInput

_YEARS = range(2000, 3000)  # PostgreSQL holds more, but Python cannot read every instant back in every zone


def parse_object(field: str, text: str | bytes) -> dict[str, Any]:
    """The JSON object in `text`.

    Raises InvalidInput naming `field`: not JSON, not an object, a key given twice, NaN or Infinity, a number of
    thousands of digits, nesting too deep to read.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, inner in pairs:
            if key in result:
                raise InvalidInput(field, f"the key {key[:80]!r} is given twice")
            result[key] = inner
        return result

    def no_constant(name: str) -> NoReturn:
        raise InvalidInput(field, f"{name} is not a JSON number")

    try:
        text = text.decode() if isinstance(text, bytes) else text  # json.loads would guess UTF-16 too
        value = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            field, f"is not JSON: {error.msg.lower()} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise InvalidInput(field, "is nested too deeply") from None
    except UnicodeDecodeError:
        raise InvalidInput(field, "is not JSON: not UTF-8 text") from None
    except ValueError:
        raise InvalidInput(field, "holds a number of too many digits") from None
    if not isinstance(value, dict):
        raise InvalidInput(field, "must be a JSON object")
    return value


def parse_instant(field: str, text: str) -> datetime:
    """The instant in an ISO 8601 text with its zone ("2030-01-31T09:00:00Z"), in UTC. Raises InvalidInput."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(field, f"{text[:40]!r} is no ISO 8601 time such as 2030-01-31T09:00:00Z") from None
    if instant.tzinfo is None:
        raise InvalidInput(field, "has no time zone; add Z for UTC or an offset such as +02:00")
    if instant.year not in _YEARS:
        raise InvalidInput(field, f"the year must be from {_YEARS.start} to {_YEARS.stop - 1}")
    return instant.astimezone(UTC)


def jsonable(value: Any) -> Any:
    """`value`, a view's result, with every instant as ISO 8601 in UTC ("2030-01-31T09:00:00.123456Z")."""
    match value:
        case dict():
            return {key: jsonable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [jsonable(inner) for inner in value]
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case _:
            return value
