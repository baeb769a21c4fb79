"""When a failed attempt is tried again: pure arithmetic, no clock and no database.

Exponential backoff with full jitter: the delay is uniform between zero and a ceiling that doubles, which
spreads a crowd of retries best (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
"""

import random
from datetime import timedelta

from bookbot_worker.outcomes import Errored, Outcome, Postponed
from shared.job_types import RetryPolicy


def after_retry(
    message: str,
    asked_for: timedelta | None,
    *,
    attempt: int,
    max_attempts: int,
    policy: RetryPolicy,
    trace: str | None = None,
) -> Outcome:
    """The outcome of attempt number `attempt` (from 1) that asked to be retried.

    Postponed while attempts are left, by `asked_for` or else by the policy; Errored when they are used up.
    """
    if attempt >= max_attempts:
        tries = "the only attempt" if max_attempts == 1 else f"attempt {attempt} of {max_attempts}"
        return Errored(f"{message} (this was {tries})", trace)
    delay = asked_for if asked_for is not None else backoff(policy, attempt)
    return Postponed(delay, message)


INTERRUPTIONS_LIMIT = 5
"""A run that the database breaks off this often is broken off by what the job does with it (it deadlocks each time)."""

_AFTER_INTERRUPTION = RetryPolicy(first_delay=timedelta(seconds=1), longest_delay=timedelta(seconds=30))


def after_interruption(message: str, interruptions: int, trace: str | None = None) -> Outcome:
    """The outcome of a run that the database broke off: a connection was lost, or another transaction came first.

    `interruptions`: how often that happened to the job before. Postponed, at the cost of none of its own attempts;
    Errored at the limit.
    """
    if interruptions + 1 >= INTERRUPTIONS_LIMIT:
        return Errored(f"the database broke off {interruptions + 1} runs of this job: {message}", trace)
    delay = backoff(_AFTER_INTERRUPTION, interruptions + 1)
    return Postponed(delay, f"the database broke off the run: {message}", is_interruption=True)


def backoff(policy: RetryPolicy, attempt: int) -> timedelta:
    """How long to wait after attempt number `attempt` (from 1): between zero and a ceiling that doubles."""
    doubled: timedelta = policy.first_delay * (1 << min(attempt - 1, 30))
    return min(doubled, policy.longest_delay) * random.random()  # noqa: S311 - spreads load, protects nothing


def outage_delay(tries: int) -> float:
    """Seconds to wait after the database was away `tries` times in a row: from half a second to 5, jittered."""
    return min(0.5 * (1 << min(tries - 1, 10)), 5.0) * (0.5 + random.random() / 2)  # noqa: S311 - spreads load
