"""When a schedule ticks: cron expressions in a time zone, and which ticks of the past are still run. Pure.

As Debian's cron does it: a tick at a fixed hour that daylight saving skips comes when the clock has been put forward,
one in an hour that comes twice comes once; "every hour" means every hour there is.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shared.errors import InvalidInput
from shared.text import check_text

GRACE = timedelta(minutes=1)
"""A tick is missed, and left out by a schedule that skips, when nobody came for it for so long."""

CAUGHT_UP = 100
"""Of ticks that were missed, a schedule that runs them all runs the last so many."""


class CatchUp(StrEnum):
    """What becomes of ticks for which no worker was there."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


def check_cron(cron: str, timezone: str) -> None:
    """Raises InvalidInput where the expression, or the name of the zone, is none, or where it never ticks."""
    zone = _zone(timezone)
    try:
        next(CronSim(check_text("cron", cron, 100), datetime.now(zone)))
    except CronSimError as error:
        reason = str(error)[:1].lower() + str(error)[1:]
        raise InvalidInput("cron", f"{cron!r} is no cron expression: {reason}; such as: 0 3 * * *") from None
    except (StopIteration, OverflowError):
        raise InvalidInput("cron", f"{cron!r} never comes") from None


def next_ticks(cron: str, timezone: str, after: datetime, count: int = 1) -> list[datetime]:
    """The next `count` ticks after an instant, in UTC; fewer where there are no more."""
    return [tick.astimezone(UTC) for tick in islice(CronSim(cron, after.astimezone(_zone(timezone))), count)]


def due_ticks(cron: str, timezone: str, since: datetime, now: datetime, catch_up: CatchUp) -> list[datetime]:
    """The ticks from `since` to `now`, both included, that are to be run, the first first."""
    count = CAUGHT_UP if catch_up is CatchUp.ALL else 1
    backwards = CronSim(cron, (now + timedelta(seconds=1)).astimezone(_zone(timezone)), reverse=True)
    past = (tick.astimezone(UTC) for tick in backwards)
    in_time = (tick for tick in past if tick <= now)
    ticks = list(islice(takewhile(lambda tick: tick >= since, in_time), count))
    if catch_up is CatchUp.SKIP:
        ticks = [tick for tick in ticks if tick > now - GRACE]
    return ticks[::-1]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(check_text("timezone", name, 64))
    except (KeyError, ValueError, OSError):
        raise InvalidInput("timezone", f"{name!r} is no time zone; such as UTC or Europe/Lisbon") from None
