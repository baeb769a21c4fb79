"""The course of a job as steps on a line: created, due, started, ended, and how long from each to the next. Pure.

A job's row knows its last start only. What was before it (attempts, pauses between them) lies between "created" and
"due" of this one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.states import JobState

SOON = 1.0
"""Seconds between created and due that are nobody's intention."""


@dataclass(frozen=True, slots=True)
class Step:
    """`tone`: the state it is coloured by. `then`: what follows, for `seconds`; `goes_on`: until now, and further."""

    name: str
    at: datetime | None
    tone: str
    then: str = ""
    seconds: float | None = None
    goes_on: bool = False
    note: str = ""


def timeline(job: dict[str, Any], now: datetime) -> list[Step]:
    """The steps of a job, the first one first. Lengths are by the database's clock, and never below 0."""
    created, due, started, ended = job["created_at"], job["run_at"], job["started_at"], job["completed_at"]
    is_waiting = job["state"] == JobState.WAITING
    steps: list[Step] = []
    if _between(created, due) > SOON:
        before = "attempts and pauses" if job["attempt"] > (0 if is_waiting else 1) else "put off"
        goes_on = due > now and not ended
        until = now if goes_on else min(due, ended or due)
        steps.append(Step("created", created, "waiting", before, _between(created, until), goes_on))
        if goes_on:
            return [*steps, Step("due", due, "later")]
        arrived = Step("due", due, "waiting")
    else:
        arrived = Step("created", created, "waiting")
    assert arrived.at is not None  # noqa: S101 - both have one
    if started is None or started < arrived.at:
        until = ended or now
        waits = "waited" if ended else "waits"
        steps.append(Step(arrived.name, arrived.at, "waiting", waits, _between(arrived.at, until), not ended))
        return [*steps, _end(job)] if ended else [*steps, Step("starts", None, "later")]
    steps.append(Step(arrived.name, arrived.at, "waiting", "waited", _between(arrived.at, started)))
    which = f"attempt {job['attempt']} of {job['max_attempts']}" if job["max_attempts"] > 1 else ""
    runs = job["state"] == JobState.RUNNING
    steps.append(
        Step("started", started, "running", "runs" if runs else "ran", _between(started, ended or now), runs, which)
    )
    return [*steps, _end(job) if ended else Step("ends", None, "later")]


def troubles(job: dict[str, Any]) -> list[str]:
    """What else happened on the way, in words."""
    found = []
    if job["losses"]:
        found.append(f"{_times(job['losses'])} its worker was lost, without progress")
    if job["interruptions"]:
        found.append(f"{_times(job['interruptions'])} the database broke it off")
    return found


def _end(job: dict[str, Any]) -> Step:
    return Step(job["state"], job["completed_at"], job["state"])


def _between(first: datetime, second: datetime) -> float:
    return max(0.0, (second - first).total_seconds())


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
