"""Words for what went wrong: storable and bounded, whatever the exception does. Never raises."""

import traceback
from datetime import timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from shared.text import clean

MESSAGE_LIMIT = 4_000
TRACE_LIMIT = 32_000


def describe(error: BaseException) -> str:
    """The exception's own words, storable and bounded, even where `__str__` fails or is huge."""
    try:
        text = str(error)
    except BaseException as inner:  # noqa: BLE001 - job code again: its __str__
        text = f"(its text cannot be shown: {type(inner).__name__})"
    return clean(text, MESSAGE_LIMIT)


def format_trace(error: BaseException) -> str:
    """The traceback without values of variables, storable; the end is kept where it is too long."""
    try:
        text = "".join(traceback.format_tb(error.__traceback__))
    except BaseException:  # noqa: BLE001 - a traceback object can be tampered with
        return "(no traceback)"
    return clean(text[-TRACE_LIMIT:], TRACE_LIMIT)


def readable(value: object, limit: int) -> str:
    """The value's repr, or its type where that fails."""
    try:
        return clean(repr(value), limit)
    except BaseException:  # noqa: BLE001 - job code again: its __repr__
        return f"a {type(value).__name__}"


def why_interrupted(error: BaseException) -> str:
    """The database's own first line, without SQL and values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first_line = describe(cause).strip().split("\n")[0]
    return f"{type(cause).__name__}: {first_line}".removesuffix(": ")


def in_words(duration: timedelta) -> str:
    """90 minutes → "1 h 30 min"; what is left of a second is shown only below a minute."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:g} s"
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60 // 1, "s"))
    return " ".join(f"{number:.0f} {unit}" for number, unit in parts if number)


def why_not_saved(error: BaseException) -> str:
    """One sentence for a settle that the job's own writes made impossible, without SQL and without its values."""
    if isinstance(error, StaleDataError):
        return "The result could not be saved: somebody else changed the same book or chunk meanwhile."
    return f"The result could not be saved: {why_interrupted(error)}"
