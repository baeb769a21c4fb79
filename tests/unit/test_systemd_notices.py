"""What systemd is told, and when: only a loop that turns says anything, and only a worker that can work is ready."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookbot_worker.condition import Condition
from bookbot_worker.lease import Lease
from bookbot_worker.telemetry.systemd import Notices, describe, tell_systemd
from tests.support.service_manager import ServiceManager

pytestmark = pytest.mark.unit


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def condition(clock: Clock) -> Condition:
    condition = Condition(Lease(20, clock), lambda: None, stuck_after=120)
    condition.slots = 10
    return condition


@pytest.fixture
def told(condition: Condition, clock: Clock) -> list[str]:
    sent: list[str] = []
    condition.on_turn = Notices(condition, sent.append, clock=clock).turned
    return sent


@pytest.fixture(params=["a path", "an abstract name"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServiceManager]:
    manager = ServiceManager(tmp_path, is_abstract=request.param == "an abstract name")
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    yield manager
    manager.close()


def turn(condition: Condition) -> None:
    condition.turn_begins()
    condition.turn_ends()


def test_a_worker_is_ready_after_the_first_turn_without_trouble(
    condition: Condition, clock: Clock, told: list[str]
) -> None:
    turn(condition)
    assert "READY=1" not in "\n".join(told)
    condition.lease.renewed(clock.now)
    condition.outage = "connection refused"
    clock.now += 1
    turn(condition)
    assert told[-1].startswith("WATCHDOG=1\nSTATUS=the database does not serve: connection refused")
    condition.outage = None
    turn(condition)
    assert told[-1] == "WATCHDOG=1\nREADY=1\nSTATUS=0 of 10 slots at work"
    clock.now += 1
    turn(condition)
    assert told[-1] == "WATCHDOG=1"


def test_a_loop_that_turns_fast_speaks_once_a_second(condition: Condition, clock: Clock, told: list[str]) -> None:
    condition.lease.renewed(clock.now)
    turn(condition)
    for busy in range(5):
        condition.busy = busy
        clock.now += 0.19
        turn(condition)
    assert len(told) == 1
    clock.now += 0.1
    turn(condition)
    assert told[1:] == ["WATCHDOG=1\nSTATUS=4 of 10 slots at work"]


def test_a_loop_that_hangs_says_nothing(condition: Condition, clock: Clock, told: list[str]) -> None:
    condition.lease.renewed(clock.now)
    turn(condition)
    condition.turn_begins()
    clock.now += 1000
    assert condition.is_stuck
    assert len(told) == 1


def test_a_worker_that_drains_says_so_at_once_and_asks_for_more_time_at_every_turn(
    condition: Condition, clock: Clock, told: list[str]
) -> None:
    condition.lease.renewed(clock.now)
    condition.busy = 2
    turn(condition)
    condition.drains()
    assert told[1] == ("WATCHDOG=1\nSTOPPING=1\nEXTEND_TIMEOUT_USEC=180000000\nSTATUS=draining, 2 of 10 slots at work")
    clock.now += 1
    turn(condition)
    assert told[2] == "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=180000000"


def test_a_worker_that_leaves_before_it_was_ready_never_says_that_it_is(condition: Condition, told: list[str]) -> None:
    condition.drains()
    turn(condition)
    assert "STOPPING=1" in told[0]
    assert "READY=1" not in "".join(told)


def test_a_worker_that_could_work_but_leaves_is_not_ready(condition: Condition, clock: Clock, told: list[str]) -> None:
    condition.lease.renewed(clock.now)
    condition.drains()
    turn(condition)
    assert told[0].startswith("WATCHDOG=1\nSTOPPING=1\n")
    assert "READY=1" not in "".join(told)


def test_nothing_in_the_status_can_be_taken_for_another_line(condition: Condition, clock: Clock) -> None:
    condition.lease.renewed(clock.now)
    condition.outage = "refused\nREADY=1\x1b[31m"
    assert len(describe(condition).splitlines()) == 1
    assert "\x1b" not in describe(condition)


def test_where_systemd_does_not_ask_nothing_changes(condition: Condition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    before = condition.on_turn
    tell_systemd(condition)
    assert condition.on_turn is before
    assert condition.longest_sleep == float("inf")


@pytest.mark.parametrize(
    ("watchdog", "pid", "longest"),
    [("9000000", "ours", 3), ("180000000", "", 20), ("9000000", "1", 20), ("", "", 20), ("0", "", 20)],
)
def test_the_loop_sleeps_no_longer_than_the_watchdog_has_patience(
    condition: Condition,
    clock: Clock,
    manager: ServiceManager,
    monkeypatch: pytest.MonkeyPatch,
    watchdog: str,
    pid: str,
    longest: float,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", watchdog)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)
    tell_systemd(condition)
    condition.lease.renewed(clock.now)
    turn(condition)
    assert condition.longest_sleep == longest
    assert manager.messages == ["WATCHDOG=1\nREADY=1\nSTATUS=0 of 10 slots at work"]
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(os.environ), "children must not speak for us"


def test_a_manager_that_is_gone_hurts_nobody(condition: Condition, clock: Clock, manager: ServiceManager) -> None:
    tell_systemd(condition)
    manager.close()
    condition.lease.renewed(clock.now)
    turn(condition)
    assert condition.trouble() is None
