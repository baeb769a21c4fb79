"""The circuit breaker of one model of one provider: after failures in a row nobody asks for a while, then one does.

Closed (asked freely) → open (nobody asks) → half open (one call asks: the probe) → closed, or open for twice as long.
Pure: the state is a row that all workers share (`LlmCircuit`), the time is the database's. An answer closes it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FORGET_AFTER = timedelta(minutes=10)
"""Failures so far apart are no row of failures, and an opening so long ago makes the next no longer."""

LONGEST_PAUSE = timedelta(minutes=5)

PROBE_TIME = timedelta(minutes=2)
"""A probe that has not ended by then is given up, as that of a dead worker is; another call may try."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`failures` in a row open the circuit (0: nothing does), at first for `pause`."""

    failures: int = 5
    pause: timedelta = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is known of a model that has failed lately; see `shared.models.LlmCircuit`."""

    failures: int
    openings: int
    failed_at: datetime
    reason: str
    open_until: datetime | None = None
    probe_call_id: str | None = None
    probe_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """No call may leave; look again `after` this long."""

    reason: str
    after: timedelta


def door(circuit: Circuit | None, whom: str, now: datetime) -> Paused | Circuit | None:
    """Whether a call may leave: None: yes. Paused: no. A Circuit: yes, as its probe; the caller notes itself there."""
    if circuit is None or circuit.open_until is None:
        return None
    if now < circuit.open_until:
        until = circuit.open_until.strftime("%H:%M:%S UTC")
        return Paused(f"{whom} is paused until {until}: {circuit.reason}", circuit.open_until - now)
    if circuit.probe_until is not None and now < circuit.probe_until:
        return Paused(f"{whom} is being tried again: {circuit.reason}", timedelta(seconds=2))
    return replace(circuit, probe_until=now + PROBE_TIME)


def after_failure(
    circuit: Circuit | None, policy: Policy, reason: str, now: datetime, retry_after: timedelta | None, call_id: str
) -> Circuit:
    """The circuit after one more failure, that of the call `call_id`; `retry_after` is what the provider asked for."""
    if circuit is None or now - circuit.failed_at > FORGET_AFTER:
        circuit = Circuit(failures=0, openings=0, failed_at=now, reason=reason)
    failed = replace(circuit, failures=circuit.failures + 1, failed_at=now, reason=reason)
    is_probe = circuit.probe_call_id == call_id
    if not policy.failures or (failed.failures < policy.failures and not is_probe):
        return failed
    if circuit.open_until is not None and not is_probe:
        return failed  # a call that had left before it was opened says nothing new
    pause = max(policy.pause * (1 << min(circuit.openings, 20)), retry_after or timedelta(0))
    longest = max(LONGEST_PAUSE, policy.pause)
    return replace(
        failed,
        openings=circuit.openings + 1,
        open_until=now + min(pause, longest),
        probe_call_id=None,
        probe_until=None,
    )


def without_probe(circuit: Circuit, call_id: str) -> Circuit | None:
    """The circuit after the call `call_id` ended and told nothing of the provider; None where it was not the probe."""
    if circuit.probe_call_id != call_id:
        return None
    return replace(circuit, probe_call_id=None, probe_until=None)
