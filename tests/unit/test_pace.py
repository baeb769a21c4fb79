"""How often the worker looks for cancels and for jobs: soon enough, but not for every hint and every free slot."""

import pytest

from bookbot_worker.pace import HOLD_BACK, LEAST, ClaimPace, Pace

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_look_is_due_at_once_and_the_next_after_the_interval(clock: Clock) -> None:
    pace = Pace(1.0, clock)
    assert pace.take_turn()
    assert not pace.take_turn()
    clock.now += 0.99
    assert not pace.take_turn()
    clock.now += 0.02
    assert pace.take_turn()


def test_a_hint_makes_the_next_look_due_soon(clock: Clock) -> None:
    pace = Pace(1.0, clock)
    pace.take_turn()
    clock.now += LEAST / 2
    pace.hint()
    assert pace.seconds_left() == pytest.approx(LEAST / 2)
    clock.now += LEAST / 2
    assert pace.take_turn()
    assert pace.seconds_left() == pytest.approx(1.0)


def test_a_hint_after_a_quiet_while_is_heeded_at_once(clock: Clock) -> None:
    pace = Pace(60.0, clock)
    pace.take_turn()
    clock.now += 1.0
    pace.hint()
    assert pace.take_turn()


def test_many_hints_cost_few_looks(clock: Clock) -> None:
    pace, looks = Pace(1.0, clock), 0
    for _ in range(1000):
        clock.now += 0.001
        pace.hint()
        looks += pace.take_turn()
    assert looks <= 1.0 / LEAST + 1


def test_an_interval_below_the_least_is_kept(clock: Clock) -> None:
    pace = Pace(LEAST / 4, clock)
    pace.take_turn()
    pace.hint()
    assert pace.seconds_left() == pytest.approx(LEAST / 4)


def test_a_free_slot_is_filled_at_once_where_the_last_claim_found_less_than_it_asked_for(clock: Clock) -> None:
    pace = ClaimPace(clock)
    assert pace.is_worth(1, 100)
    pace.claimed(is_full=False)
    assert pace.is_worth(1, 100)
    assert pace.seconds_left() == float("inf")


def test_few_free_slots_wait_for_company_while_the_queue_is_full_but_not_for_long(clock: Clock) -> None:
    pace = ClaimPace(clock)
    pace.claimed(is_full=True)
    assert not pace.is_worth(1, 100)
    assert pace.seconds_left() == pytest.approx(HOLD_BACK)
    assert pace.is_worth(13, 100)
    assert not pace.is_worth(2, 100)
    clock.now += HOLD_BACK * 1.01
    assert pace.seconds_left() == 0
    assert pace.is_worth(1, 100)
    assert pace.seconds_left() == float("inf")


def test_a_worker_of_few_slots_never_holds_back(clock: Clock) -> None:
    pace = ClaimPace(clock)
    pace.claimed(is_full=True)
    assert pace.is_worth(1, 8)
