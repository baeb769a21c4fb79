"""How fast a job goes and how long it will still take, from what it has done so far. Pure.

An estimate that says so: it holds if the rest goes as the part that is done. Nothing is said too early.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.states import TERMINAL, JobState

LEAST_SHARE = 0.02
LEAST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate`: words like "12 % a minute" or "800 words a minute"; `remaining`: seconds."""

    rate: str
    remaining: float


def pace(job: dict[str, Any], now: datetime) -> Pace | None:
    """The pace of a job that goes on, None where it does not or where it is too early to say."""
    has_family_at_work = bool(job["children"].get("running")) and job["state"] not in TERMINAL
    begun = job["started_at"] if job["state"] == JobState.RUNNING else job["created_at"] if has_family_at_work else None
    share = float(job["rolled_progress"])
    if begun is None or not LEAST_SHARE <= share < 1:
        return None
    elapsed = (now - begun).total_seconds()
    if elapsed < LEAST_SECONDS:
        return None
    scenes = job["scenes"]
    if scenes and scenes["words"]:
        rate = f"{scenes['words'] * 60 / elapsed:,.0f} words a minute".replace(",", "\N{NARROW NO-BREAK SPACE}")
    else:
        figure = share * 100 * 60 / elapsed
        rate = _words(figure)
    return Pace(rate, elapsed * (1 - share) / share)


def _words(percent_a_minute: float) -> str:
    """In the unit that gives a handy number."""
    if percent_a_minute >= 100:
        return f"{percent_a_minute / 60:.0f} % a second"
    return f"{percent_a_minute:.0f} % a minute" if percent_a_minute >= 1 else f"{percent_a_minute * 60:.0f} % an hour"
