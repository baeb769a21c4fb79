"""When a job is asked to stop, when it is given up, and when a worker is worn out, by table."""

import pytest

from bookbot_worker.cancellation import StopReason
from bookbot_worker.overdue import Step, must_recycle, next_step

pytestmark = pytest.mark.unit

FOREVER = float("inf")
ASKED = [StopReason.CANCEL, StopReason.TIMEOUT, StopReason.LOST]


@pytest.mark.parametrize(
    ("ran", "expected"),
    [(0, (Step.NOTHING, 60)), (59, (Step.NOTHING, 1)), (60, (Step.ASK, 10)), (500, (Step.ASK, 10))],
)
def test_a_job_is_asked_to_stop_at_its_time_limit(ran: float, expected: tuple[Step, float]) -> None:
    assert next_step(ran=ran, timeout=60, reason=None, asked=FOREVER, grace=10) == expected


@pytest.mark.parametrize("reason", ASKED)
@pytest.mark.parametrize(
    ("asked", "expected"), [(0, (Step.NOTHING, 10)), (9, (Step.NOTHING, 1)), (10, (Step.FENCE, FOREVER))]
)
def test_one_that_was_asked_is_given_up_after_the_grace(
    reason: StopReason, asked: float, expected: tuple[Step, float]
) -> None:
    assert next_step(ran=5, timeout=60, reason=reason, asked=asked, grace=10) == expected


def test_a_shutdown_has_a_time_of_its_own() -> None:
    step = next_step(ran=500, timeout=60, reason=StopReason.SHUTDOWN, asked=500, grace=10)
    assert step == (Step.NOTHING, FOREVER)


@pytest.mark.parametrize(
    ("leaked", "slots", "expected"),
    [(0, 1, False), (1, 1, True), (1, 2, True), (1, 3, False), (4, 10, False), (5, 10, True), (0, 0, False)],
)
def test_half_the_slots_lost_is_too_many(leaked: int, slots: int, expected: bool) -> None:
    assert must_recycle(leaked, slots) is expected
