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


def backoff(policy: RetryPolicy, attempt: int) -> timedelta:
    """How long to wait after attempt number `attempt` (from 1): between zero and a ceiling that doubles."""
    doubled: timedelta = policy.first_delay * (1 << min(attempt - 1, 30))
    return min(doubled, policy.longest_delay) * random.random()  # noqa: S311 - spreads load, protects nothing


def outage_delay(tries: int) -> float:
    """Seconds to wait after the database was away `tries` times in a row: from half a second to 15, jittered."""
    return min(0.5 * (1 << min(tries - 1, 10)), 15.0) * (0.5 + random.random() / 2)  # noqa: S311 - spreads load
