"""What becomes of jobs whose worker may be dead, by table."""

import itertools

import pytest

from bookbot_worker.orphans import Fate, Holder, Sign, fate, may_rescue, obituary, sign_of_life

pytestmark = pytest.mark.unit

SIGNS = [
    # state, has_lease, process is gone → sign
    ("running", True, False, Sign.ALIVE),
    ("paused", True, False, Sign.ALIVE),
    ("draining", True, False, Sign.ALIVE),
    ("running", False, False, Sign.SILENT),
    ("draining", False, False, Sign.SILENT),
    (None, False, False, Sign.SILENT),  # no row at all
    ("stopped", False, False, Sign.STOPPED),
    ("stopped", True, False, Sign.STOPPED),
    ("running", True, True, Sign.GONE),
    ("running", False, True, Sign.GONE),
]


@pytest.mark.parametrize(("state", "has_lease", "is_gone", "sign"), SIGNS)
def test_signs_of_life(state: str | None, has_lease: bool, is_gone: bool, sign: Sign) -> None:
    holder = Holder("id", state=state, has_lease=has_lease)
    assert sign_of_life(holder, is_process_gone=is_gone) is sign


@pytest.mark.parametrize(
    ("sign", "has_seen_others_beat", "may"),
    [
        (Sign.ALIVE, True, False),
        (Sign.ALIVE, False, False),
        (Sign.SILENT, True, True),
        (Sign.SILENT, False, False),  # everybody may have been silent: the database was away
        (Sign.GONE, False, True),
        (Sign.STOPPED, False, True),
    ],
)
def test_who_may_be_rescued_from(sign: Sign, has_seen_others_beat: bool, may: bool) -> None:
    assert may_rescue(sign, has_seen_others_beat=has_seen_others_beat) is may


@pytest.mark.parametrize(
    ("losses", "made_progress", "is_cancelled", "expected"),
    [
        (0, False, False, (Fate.RUN_AGAIN, 1)),
        (1, False, False, (Fate.RUN_AGAIN, 2)),
        (2, False, False, (Fate.GIVE_UP, 3)),
        (7, False, False, (Fate.GIVE_UP, 8)),
        (0, True, False, (Fate.RUN_AGAIN, 0)),
        (1, True, False, (Fate.RUN_AGAIN, 0)),
    ],
)
def test_the_fate_of_a_lost_job(
    losses: int, made_progress: bool, is_cancelled: bool, expected: tuple[Fate, int]
) -> None:
    assert fate(losses, made_progress=made_progress, is_cancelled=is_cancelled) == expected


@pytest.mark.parametrize(("losses", "made_progress"), list(itertools.product([0, 1, 5], [True, False])))
def test_a_cancelled_job_is_never_run_again(losses: int, made_progress: bool) -> None:
    assert fate(losses, made_progress=made_progress, is_cancelled=True) == (Fate.CANCEL, losses)


def test_an_obituary_says_who_and_how_one_knows() -> None:
    holder = Holder("id", name="desk", hostname="atelier", pid=4711)
    assert obituary(holder, Sign.GONE) == "worker desk (pid 4711 on atelier): its process is gone"
    assert "lease" in obituary(Holder("an-id"), Sign.SILENT)
    assert "an-id" in obituary(Holder("an-id"), Sign.SILENT)
