"""When a failed attempt is tried again: tables, no clock."""

from datetime import timedelta

import pytest

from bookbot_worker.outcomes import LONGEST_DELAY, Errored, Postponed, Retry, Snooze
from bookbot_worker.retry import after_interruption, after_retry, backoff, outage_delay
from shared.job_types import RetryPolicy

pytestmark = pytest.mark.unit

POLICY = RetryPolicy(max_attempts=5, first_delay=timedelta(seconds=2), longest_delay=timedelta(seconds=60))


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (1000, 60)])
def test_the_wait_is_anything_up_to_a_ceiling_that_doubles(attempt: int, ceiling: int) -> None:
    waits = [backoff(POLICY, attempt).total_seconds() for _ in range(500)]
    assert min(waits) >= 0
    assert max(waits) <= ceiling
    assert max(waits) > 0.8 * ceiling
    assert min(waits) < 0.2 * ceiling


@pytest.mark.parametrize(
    ("attempt", "most", "words"),
    [(1, 1, "boom (this was the only attempt)"), (3, 3, "boom (this was attempt 3 of 3)")],
)
def test_when_the_attempts_are_used_up_the_job_ends_in_error(attempt: int, most: int, words: str) -> None:
    outcome = after_retry("boom", None, attempt=attempt, max_attempts=most, policy=POLICY, trace="where")
    assert outcome == Errored(words, "where")


def test_what_the_job_asks_for_wins_over_the_policy() -> None:
    outcome = after_retry("busy", timedelta(minutes=7), attempt=1, max_attempts=2, policy=POLICY)
    assert outcome == Postponed(timedelta(minutes=7), "busy")


def test_a_failed_attempt_counts_and_keeps_nothing() -> None:
    outcome = after_retry("boom", None, attempt=1, max_attempts=2, policy=POLICY)
    assert isinstance(outcome, Postponed)
    assert (outcome.returns_attempt, outcome.keeps_writes) == (False, False)


@pytest.mark.parametrize(("tries", "least", "most"), [(1, 0.25, 0.5), (2, 0.5, 1), (6, 2.5, 5), (10_000, 2.5, 5)])
def test_the_pause_of_an_outage_grows_to_five_seconds(tries: int, least: float, most: float) -> None:
    assert all(least <= outage_delay(tries) <= most for _ in range(200))


@pytest.mark.parametrize(("before", "is_last"), [(0, False), (3, False), (4, True), (50, True)])
def test_a_run_that_the_database_broke_off_is_tried_again_a_few_times(before: int, is_last: bool) -> None:
    outcome = after_interruption("deadlock detected", before, "where")
    if is_last:
        message = f"the database broke off {before + 1} runs of this job: deadlock detected"
        assert outcome == Errored(message, "where")
    else:
        assert isinstance(outcome, Postponed)
        assert (outcome.is_interruption, outcome.keeps_writes, outcome.returns_attempt) == (True, False, False)
        assert timedelta(0) <= outcome.after <= timedelta(seconds=30)
        assert "deadlock detected" in outcome.reason


def test_a_delay_in_the_past_is_none() -> None:
    assert Retry("x", after=timedelta(seconds=-5)).after == timedelta(0)
    assert Snooze(timedelta(seconds=-5)).after == timedelta(0)


def test_a_delay_that_is_none_is_refused_where_it_is_made() -> None:
    with pytest.raises(TypeError, match=r"Snooze\(after=…\) takes a timedelta, not int"):
        Snooze(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most 3660 days"):
        Retry("x", after=LONGEST_DELAY + timedelta(seconds=1))
