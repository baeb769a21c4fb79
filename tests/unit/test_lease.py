"""How long a worker believes that it is alive, second by second."""

import pytest

from bookbot_worker.lease import Lease, boot_clock

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(clock: Clock) -> Lease:
    return Lease(20, clock)


def test_before_the_first_beat_nothing_is_believed(lease: Lease) -> None:
    assert (lease.is_trusted, lease.has_seen_others_beat, lease.silent_for) == (False, False, float("inf"))


@pytest.mark.parametrize(("later", "is_trusted"), [(0, True), (14.9, True), (15, False), (20, False), (3600, False)])
def test_it_is_trusted_for_the_lease_less_a_margin(lease: Lease, clock: Clock, later: float, is_trusted: bool) -> None:
    lease.renewed(clock.now)
    clock.now += later
    assert lease.is_trusted is is_trusted


def test_it_counts_from_when_the_beat_was_sent_not_from_its_answer(lease: Lease, clock: Clock) -> None:
    sent_at = clock.now
    clock.now += 14
    lease.renewed(sent_at)
    clock.now += 2
    assert not lease.is_trusted


def beats(lease: Lease, clock: Clock, *pauses: float) -> None:
    for pause in pauses:
        clock.now += pause
        lease.renewed(clock.now)


def test_a_worker_may_judge_the_silence_of_others_after_beating_for_a_whole_lease(lease: Lease, clock: Clock) -> None:
    beats(lease, clock, 0, 4, 4, 4, 4)
    assert not lease.has_seen_others_beat
    beats(lease, clock, 4)
    assert lease.has_seen_others_beat


@pytest.mark.parametrize("interruption", ["missed", "gap", "asleep"])
def test_after_any_interruption_it_waits_a_whole_lease_again(lease: Lease, clock: Clock, interruption: str) -> None:
    """The others were hindered too, and have not had the time to say that they live."""
    beats(lease, clock, 0, 4, 4, 4, 4, 4)
    if interruption == "missed":
        lease.missed()
        beats(lease, clock, 1)
    elif interruption == "gap":
        beats(lease, clock, 11)
    else:
        clock.now += 3600
        assert not lease.has_seen_others_beat
        beats(lease, clock, 0)
    assert not lease.has_seen_others_beat
    beats(lease, clock, 4, 4, 4, 4)
    assert not lease.has_seen_others_beat
    beats(lease, clock, 4)
    assert lease.has_seen_others_beat


def test_the_clock_only_goes_forward() -> None:
    assert boot_clock() <= boot_clock()


def test_without_a_worker_a_lease_never_ends() -> None:
    assert Lease.eternal().is_trusted
