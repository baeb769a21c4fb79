"""What a worker says of itself: one sentence about what hinders it, told once when it begins and once when it ends."""

import pytest
import structlog

from bookbot_worker.condition import Condition
from bookbot_worker.lease import Lease

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
    lease = Lease(20, clock)
    lease.renewed(clock.now)
    return Condition(lease, lambda: None, stuck_after=60)


def test_a_worker_that_works_has_nothing_to_say(condition: Condition) -> None:
    assert (condition.trouble(), condition.why_not_ready(), condition.state) == (None, None, "running")


def test_each_trouble_has_its_sentence(condition: Condition, clock: Clock) -> None:
    condition.slots, condition.leaked = 2, 2
    assert condition.trouble() == "every slot is lost to a job that does not stop"
    clock.now += 18
    assert condition.trouble() == "no beat has reached the database for 18 s"
    condition.outage = "connection refused"
    assert condition.trouble() == "the database does not serve: connection refused"
    condition.turn_begins()
    clock.now += 61
    assert condition.trouble() == "the loop is stuck"
    condition.turn_ends()
    assert not condition.is_stuck


def test_who_is_paused_or_draining_is_in_no_trouble_but_not_ready(condition: Condition) -> None:
    condition.is_paused = True
    assert (condition.state, condition.trouble(), condition.why_not_ready()) == ("paused", None, "it is paused")
    condition.is_draining = True
    assert (condition.state, condition.why_not_ready()) == ("draining", "it is draining")


def test_trouble_is_told_when_it_begins_changes_and_ends_not_at_every_turn(condition: Condition, clock: Clock) -> None:
    with structlog.testing.capture_logs() as seen:
        condition.tell()
        for _ in range(3):
            clock.now += 16
            condition.tell()  # for how long is another figure each time
        condition.outage = "connection refused"
        condition.tell()
        condition.outage = "connection timed out"
        condition.tell()
        condition.outage = None
        condition.lease.renewed(clock.now)
        condition.tell()
        condition.tell()
    assert [(event["event"], event.get("reason")) for event in seen] == [
        ("worker.cannot_work", "no beat has reached the database for 16 s"),
        ("worker.cannot_work", "the database does not serve: connection refused"),
        ("worker.works_again", None),
    ]


def test_the_health_page_gets_the_figures(condition: Condition) -> None:
    condition.slots, condition.busy, condition.leaked = 10, 4, 1
    assert condition.status() == {"state": "running", "slots": 10, "busy": 4, "leaked": 1}
