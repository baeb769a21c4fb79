"""The Retry-After header (RFC 9110, 10.2.3): a number of seconds, or a date by the server's own clock."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(hours=1)
"""A job that waits longer than this for one server is better looked at by a person; it asks again in between."""


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the server wants us to wait, at most an hour; None where it does not say, or says nothing sensible.

    `headers` have names in lower case. `now` counts where the server sends no Date.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    seconds = milliseconds / 1000 if milliseconds is not None else _number(headers.get("retry-after", ""))
    if seconds is None:
        until = _date(headers.get("retry-after", ""))
        seconds = None if until is None else (until - (_date(headers.get("date", "")) or now)).total_seconds()
    if seconds is None or not seconds > 0:
        return None
    return min(timedelta(seconds=min(seconds, LONGEST.total_seconds())), LONGEST)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
