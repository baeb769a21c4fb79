"""What changed between two texts: nothing is lost of either, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_web.word_diff import LONGEST, STRETCH, Part, compare

pytestmark = pytest.mark.unit

TEXTS = st.text(st.sampled_from("ab ,.\n'é\u200f"), max_size=200)


@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_from_their_difference(old: str, new: str) -> None:
    diff = compare(old, new)
    assert "".join(part.text for part in diff.parts if part.kind != "in") == old
    assert "".join(part.text for part in diff.parts if part.kind != "out") == new
    assert diff.is_empty == (old == new)


def test_a_changed_word_is_the_whole_change() -> None:
    diff = compare("She took the red lamp.\n\nIt was late.", "She took the blue lamp.\n\nIt was late.")
    assert [part for part in diff.parts if part.kind != "same"] == [Part("out", "red "), Part("in", "blue ")]
    assert (diff.words_out, diff.words_in) == (1, 1)


def test_a_text_that_begins_from_nothing_is_put_in() -> None:
    assert compare("", "One two.").parts == [Part("in", "One two.")]
    assert compare("", "").parts == []


def test_texts_longer_than_a_stretch_are_compared_in_stretches() -> None:
    words = [f"w{number % 700}" for number in range(2 * STRETCH)]
    changed = [*words]
    changed[10], changed[-10] = "early", "late"
    diff = compare(" ".join(words), " ".join(changed))
    assert (diff.words_out, diff.words_in) == (2, 2)


def test_texts_that_are_too_long_are_one_change() -> None:
    old, new = "a " * (LONGEST // 4), "a " * (LONGEST // 4) + "b c"
    assert [part.kind for part in compare(old, new).parts] == ["out", "in"]
