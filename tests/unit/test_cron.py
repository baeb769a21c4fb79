"""Ticks of schedules: daylight saving, what is caught up, and expressions that are none."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.cron import CAUGHT_UP, CatchUp, check_cron, due_ticks, next_ticks
from shared.errors import InvalidInput

pytestmark = pytest.mark.unit

FORWARD = datetime(2026, 3, 28, 20, tzinfo=UTC)
"""The evening before clocks are put forward in Europe, at 01:00 UTC."""

BACK = datetime(2026, 10, 24, 20, tzinfo=UTC)
"""The evening before they are put back."""


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_a_tick_in_the_hour_that_is_skipped_comes_right_after_it() -> None:
    assert next_ticks("30 2 * * *", "Europe/Berlin", FORWARD, 2) == [utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)]


def test_a_tick_in_the_hour_that_comes_twice_comes_once() -> None:
    assert next_ticks("30 2 * * *", "Europe/Berlin", BACK, 2) == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]


@pytest.mark.parametrize("evening", [FORWARD, BACK])
def test_every_hour_is_every_hour_there_is(evening: datetime) -> None:
    ticks = next_ticks("0 * * * *", "Europe/Lisbon", evening, 24)
    assert ticks == [evening + timedelta(hours=number) for number in range(1, 25)]


@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 * * * *", "30 1 * * *", "15,45 1-3 * * *", "*/9 * * * * *"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("start", [FORWARD, BACK, utc(2026, 4, 4, 10), utc(2026, 11, 1, 0)])
def test_looking_back_finds_the_ticks_that_looking_ahead_had_found(cron: str, zone: str, start: datetime) -> None:
    """Else one could be run twice, or be forgotten, in the night of the change."""
    end = start + timedelta(hours=30 if len(cron.split()) == 5 else 8)
    ahead = [tick for tick in next_ticks(cron, zone, start, 3400) if tick <= end]
    back = due_ticks(cron, zone, start + timedelta(seconds=1), end, CatchUp.ALL)
    assert back == ahead[-CAUGHT_UP:]


def test_what_was_missed_is_skipped_run_once_or_all_run() -> None:
    since, now = utc(2026, 1, 1, 3), utc(2026, 1, 4, 12)
    days = [utc(2026, 1, day, 3) for day in (1, 2, 3, 4)]
    assert due_ticks("0 3 * * *", "UTC", since, now, CatchUp.ALL) == days
    assert due_ticks("0 3 * * *", "UTC", since, now, CatchUp.ONCE) == days[-1:]
    assert due_ticks("0 3 * * *", "UTC", since, now, CatchUp.SKIP) == []


def test_a_tick_that_is_not_late_is_not_missed() -> None:
    tick = utc(2026, 1, 1, 3)
    for policy in CatchUp:
        for late in (timedelta(0), timedelta(seconds=59)):
            assert due_ticks("0 3 * * *", "UTC", tick, tick + late, policy) == [tick]


def test_a_year_of_missed_minutes_is_bounded() -> None:
    now = utc(2026, 6, 1)
    ticks = due_ticks("* * * * *", "Europe/Berlin", now - timedelta(days=365), now, CatchUp.ALL)
    assert (len(ticks), ticks[-1]) == (CAUGHT_UP, now)


@pytest.mark.parametrize("cron", ["", "nonsense", "* * * *", "60 * * * *", "0 0 31 2 *", "0 0 * * *\x00", "* " * 90])
def test_what_is_no_cron_expression_is_refused(cron: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_cron(cron, "UTC")
    assert refused.value.field == "cron"


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../etc/passwd", "/etc/localtime", "Europe", "x\x00"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_cron("0 3 * * *", zone)
    assert refused.value.field == "timezone"
