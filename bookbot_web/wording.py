"""How values are said on pages: instants, durations, sizes, sums of money. Each filter takes None and says "–"."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

NOTHING = "–"


def short_id(ident: str | None) -> str:
    """The end of an id: ids of one minute begin alike, and end apart."""
    return ident[-8:] if ident else NOTHING


def instant(value: datetime | None) -> Markup | str:
    """A <time> element that reads "2030-01-31 09:00:00 UTC"; the browser's script may say it in the reader's zone."""
    if value is None:
        return NOTHING
    value = value.astimezone(UTC)
    machine = value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}">{} UTC</time>').format(machine, value.strftime("%Y-%m-%d %H:%M:%S"))


def duration(seconds: float | None) -> str:
    """ "0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "4 d 3 h"; never below 0."""
    if seconds is None:
        return NOTHING
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, below in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def number(value: float | None) -> str:
    """Thousands apart by a thin space: 1 234 567."""
    return NOTHING if value is None else f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def size(count: int | None) -> str:
    """Bytes as "812 B", "1.4 KB", "20.3 MB" (powers of 1,000)."""
    if count is None:
        return NOTHING
    amount = float(count)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def money(usd: float | None) -> str:
    """US dollars: cents from a dollar on, else four places, so that one call is not "$0.00"."""
    if usd is None:
        return NOTHING
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def percent(share: float | None) -> str:
    """A share of 1 as "40 %"; below the whole never "100 %"."""
    if share is None:
        return NOTHING
    return f"{int(min(max(share, 0.0), 1.0) * 100 + 1e-9)} %"


FILTERS: dict[str, Callable[..., Any]] = {
    "short_id": short_id,
    "instant": instant,
    "duration": duration,
    "number": number,
    "size": size,
    "money": money,
    "percent": percent,
}
"""Names of the filters in templates."""
