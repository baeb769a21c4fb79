"""What becomes of an answer: its wrapping, its joints, its length, and which model gives it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.books.answers import bare, prose
from bookbot_worker.books.continuing import joined, whole_sentences
from bookbot_worker.books.models import choose_model
from bookbot_worker.books.revising import length_of, why_not_kept

pytestmark = pytest.mark.unit

TEXT = "It rained. Ann said: “No.”\n\nNobody came."


@pytest.mark.parametrize(
    "answer",
    [
        TEXT,
        f"\n{TEXT}\n",
        f"<think>A scene, then.</think>\n\n{TEXT}",
        f"```markdown\n{TEXT}\n```",
        f"Sure! Here is the rewritten scene:\n\n{TEXT}",
        f"Here’s the scene:\n\n---\n\n{TEXT}\n\n---",
        f"Certainly, here is the scene as you asked:\n\n```\n{TEXT}\n```\n\nLet me know if you want changes!",
        TEXT.replace("\n", "\r\n"),
    ],
)
def test_the_wrapping_comes_off(answer: str) -> None:
    assert bare(answer) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        "Here is the scene of the crime: a kitchen.\n\nIt rained.",
        "“Let me know,” she said.",
        "It rained.\n\nLet me know, she thought, and went.",
        "```\ncode\n```\n\nand prose\n\n```\nmore\n```",
        "Okay: the text was gone.\n\nAnn laughed.",
        "---",
    ],
)
def test_what_may_be_the_text_stays(text: str) -> None:
    assert bare(text) == text


@pytest.mark.parametrize("heading", ["# The Door", "## Scene 2: The Door", "**The Door**", "### the door ##"])
def test_a_heading_that_repeats_the_title_comes_off(heading: str) -> None:
    expected = TEXT if "Scene 2" not in heading else f"{heading}\n\n{TEXT}"
    assert prose(f"{heading}\n\n{TEXT}", "The Door") == expected
    assert prose(f"{heading}\n\n{TEXT}", "The Window") == f"{heading}\n\n{TEXT}"


@given(st.text())
def test_any_answer_can_be_stored(answer: str) -> None:
    assert "\x00" not in bare(answer)
    assert bare(answer) == bare(answer).strip()


def test_a_cut_off_text_is_kept_to_its_last_whole_sentence_and_joined_there() -> None:
    begun = whole_sentences("It rained. Ann said: “No.” Nobody ca")
    assert begun == "It rained. Ann said: “No.” "
    assert joined(begun, "Nobody came.") == "It rained. Ann said: “No.” Nobody came."
    assert joined("It rained.\n\n", "Sure, here is the rest of the scene:\n\nAnn came.") == "It rained.\n\nAnn came."
    assert joined("It rained on the old mill. ", "It rained on the old mill. Ann came.") == (
        "It rained on the old mill. Ann came."
    )
    assert whole_sentences("no end in sight") == "no end in sight"


@given(st.text(alphabet='ab .!?”\n"', max_size=80))
def test_whole_sentences_are_a_beginning_of_the_text(text: str) -> None:
    assert text.startswith(whole_sentences(text))


@pytest.mark.parametrize(
    ("mode", "asked", "current", "expected"),
    [
        ("write", None, 0, (500, "Write about 500 words.")),
        ("write", 900, 0, (900, "Write about 900 words.")),
        ("rewrite", None, 800, (800, "Write about 800 words.")),
        ("edit", None, 800, (800, "The scene has 800 words; it should have about 800 words.")),
        ("edit", 600, 800, (600, "The scene has 800 words; it should have about 600 words.")),
        ("copyedit", 600, 800, (800, "")),
        ("review", None, 800, (300, "")),
    ],
)
def test_each_mode_asks_for_its_length(mode: str, asked: int | None, current: int, expected: tuple[int, str]) -> None:
    length = length_of(mode, asked, current)
    assert (length.words, length.wish) == expected


@pytest.mark.parametrize(
    ("mode", "before", "after", "expected", "is_kept"),
    [
        ("copyedit", 100, 95, 100, True),
        ("copyedit", 100, 60, 100, False),
        ("copyedit", 100, 150, 100, False),
        ("edit", 100, 60, 100, True),
        ("edit", 100, 40, 100, False),
        ("edit", 100, 30, 50, True),
        ("rewrite", 100, 10, 100, True),
        ("copyedit", 20, 5, 50, True),
    ],
)
def test_an_answer_that_is_no_revision_is_not_kept(
    mode: str, before: int, after: int, expected: int, is_kept: bool
) -> None:
    reason = why_not_kept(mode, "word " * before, "word " * after, expected)
    assert (reason == "") == is_kept
    assert is_kept or f"The scene has {before} words and the answer {after}, which is no {mode}" in reason


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"of_job": "j", "of_bot": "b", "of_book": {"writing": "k"}, "of_settings": {"writing": "s"}}, "j"),
        ({"of_bot": "b", "of_book": {"writing": "k"}, "of_settings": {"writing": "s"}}, "b"),
        ({"of_book": {"writing": "k"}, "of_settings": {"writing": "s"}}, "k"),
        ({"of_book": {"planning": "k"}, "of_settings": {"writing": "s"}}, "s"),
        ({"of_book": ["writing"], "of_settings": {}}, None),
        ({"of_book": {"writing": 3}, "of_job": " "}, None),
    ],
)
def test_the_most_particular_wish_chooses_the_model(wishes: dict[str, object], expected: str | None) -> None:
    assert choose_model("writing", **wishes) == expected  # type: ignore[arg-type]
