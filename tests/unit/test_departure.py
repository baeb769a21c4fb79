"""How long a worker that leaves waits for its jobs, second by second."""

import pytest

from bookbot_worker.departure import URGENT_GRACE, Departure

pytestmark = pytest.mark.unit


def test_first_jobs_may_finish_then_they_are_asked_then_nobody_waits() -> None:
    departure = Departure(drain=300, grace=10)
    assert not departure.must_ask(1000, 1)
    assert departure.seconds_left(1000) == 300
    assert not departure.must_ask(1299, 1)
    assert not departure.is_over(1299)
    assert departure.must_ask(1300, 1)
    assert not departure.must_ask(1301, 1)
    assert not departure.is_over(1309)
    assert departure.is_over(1310)


def test_a_second_request_asks_at_once() -> None:
    departure = Departure(drain=300, grace=10)
    assert not departure.must_ask(1000, 1)
    assert departure.must_ask(1005, 2)
    assert not departure.is_over(1005)
    assert departure.is_over(1005 + URGENT_GRACE)


def test_a_second_request_shortens_the_grace_that_runs() -> None:
    departure = Departure(drain=0, grace=10)
    assert departure.must_ask(1000, 1)
    assert not departure.must_ask(1002, 2)
    assert not departure.is_over(1002.5)
    assert departure.is_over(1002 + URGENT_GRACE)


def test_a_second_request_never_lengthens_the_grace() -> None:
    departure = Departure(drain=0, grace=0.5)
    assert departure.must_ask(1000, 1)
    departure.must_ask(1000.4, 2)
    assert departure.is_over(1000.5)


def test_fifty_requests_are_as_good_as_two() -> None:
    departure = Departure(drain=300, grace=10)
    assert departure.must_ask(1000, 50)
    for number in range(51, 100):
        assert not departure.must_ask(1000 + (number - 50) / 100, number)
    assert departure.is_over(1000 + URGENT_GRACE)


def test_waiting_never_becomes_spinning() -> None:
    departure = Departure(drain=0, grace=0)
    assert departure.seconds_left(1000) > 0
    departure.must_ask(1000, 1)
    assert departure.seconds_left(2000) > 0
