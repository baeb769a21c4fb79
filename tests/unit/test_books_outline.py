"""Outlines as people and language models write them, and ids that never move."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.books.outline import add_scene_ids, parse, section

pytestmark = pytest.mark.unit

OUTLINE = """# The Salt Ledger

## Chapter 1: The Bell

### Low water

Mara hears a bell.

Characters: Mara Venn, Ilse
Setting: Skerry Head

### The steps [[Scene 7]]

A ledger lies there.

## Chapter 2: The Surveyor

### Coffee

Tobias asks.
"""


def test_the_form_the_prompts_ask_for_is_read() -> None:
    outline = parse(OUTLINE)
    assert outline.title == "The Salt Ledger"
    assert [(chapter.number, chapter.title) for chapter in outline.chapters] == [(1, "The Bell"), (2, "The Surveyor")]
    assert [(scene.id, scene.title) for scene in outline.scenes] == [(8, "Low water"), (7, "The steps"), (9, "Coffee")]
    first = outline.scenes[0]
    assert first.summary == "Mara hears a bell."
    assert first.characters == ("Mara Venn", "Ilse")
    assert first.settings == ("Skerry Head",)
    assert first.section.startswith("### Low water [[Scene 8]]")


@pytest.mark.parametrize(
    ("text", "scenes", "chapters"),
    [
        ("**Chapter One – The Start**\n\n**Scene 1: The Door**\nShe goes.", ["The Door"], ["The Start"]),
        ("# Chapter 1\n## The Door\nx\n## The Well\ny", ["The Door", "The Well"], [""]),
        ("## 1. The Start\n### 1.1. The Door\nx", ["The Door"], ["The Start"]),
        ("Chapter 3: Late\n\nScene 1 - The Door\nScene 4 shows her why.", ["The Door"], ["Late"]),
        ("## Prologue\n### The Door\n## Epilogue: Home\n#### Sea", ["The Door", "Sea"], ["Prologue", "Epilogue: Home"]),
        (
            "# Book\n## Part One\n### Chapter 1: A\n#### The Door\n## Part Two\n### Chapter 2: B\n#### The Well",
            ["The Door", "The Well"],
            ["A", "B"],
        ),
        ("### The Door\nNo chapter at all.", ["The Door"], [""]),
        ("## Outline\n### Scene 1: The Door\nx\n## Themes\n### Loss\nnot a scene", ["The Door"], [""]),
        (
            "## Chapter II: Two\n- **Scene 1 – The Door:** She goes in.\n- **Scene 2:** She comes out.",
            ["The Door", "Scene 2"],
            ["Two"],
        ),
        ("A chat about chapter one and scenes.", [], []),
        ("", [], []),
    ],
)
def test_other_forms_are_understood(text: str, scenes: list[str], chapters: list[str]) -> None:
    outline = parse(text)
    assert [scene.title for scene in outline.scenes] == scenes
    assert [chapter.title for chapter in outline.chapters] == chapters


@pytest.mark.parametrize(
    "lines",
    [
        "Characters: Ada King, Charles\nSetting: The Mill",
        "**Characters:** Ada King (POV) and Charles.\n**Setting:** The Mill (night)",
        "- *Characters*: Ada King; Charles\n- Location: The Mill",
        "Characters:\n- **Ada King**\n- Charles\n\nSettings:\n* The Mill",
        "#### Characters\n- Ada King\n- Charles\n#### Setting\n- The Mill",
        "Characters present: [[Ada King]], Charles\nPlace: The Mill",
    ],
)
def test_names_are_found_however_they_are_listed(lines: str) -> None:
    (scene,) = parse(f"## Chapter 1: A\n### The Door\nShe goes.\n{lines}").scenes
    assert scene.characters == ("Ada King", "Charles")
    assert scene.settings == ("The Mill",)
    assert scene.summary == "She goes."


def test_text_that_runs_on_after_a_heading_gets_a_line_of_its_own() -> None:
    text = add_scene_ids("**Scene 1: The Door** – She goes in.")
    assert text == "### The Door [[Scene 1]]\nShe goes in."
    assert parse(text).scenes[0].summary == "She goes in."


def test_a_second_user_of_an_id_gets_a_new_one() -> None:
    text = "### A [[Scene 2]]\n### B [[scene 2]]\n### C"
    assert add_scene_ids(text) == "### A [[Scene 2]]\n### B [[Scene 3]]\n### C [[Scene 4]]"


def test_a_section_is_found_by_its_id() -> None:
    assert section(OUTLINE, 7) == "### The steps [[Scene 7]]\n\nA ledger lies there."
    assert section(OUTLINE, 99) == ""


PIECES = [
    "# T",
    "## Chapter 1: A",
    "### Scene",
    "#### X [[Scene 3]]",
    "**Scene 2: B** text",
    "Characters: A, B",
    "## Themes",
    "### Loss",
    "**bold**",
    "Scene One",
    "- **Scene 4**: [[Scene 3]]",
    "### [[Scene 1]]",
    "## Part One",
    "Setting:",
    "---",
]
LINES = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=14)


@given(LINES)
def test_adding_ids_twice_changes_nothing(lines: list[str]) -> None:
    once = add_scene_ids("\n".join(lines))
    assert add_scene_ids(once) == once
    ids = [scene.id for scene in parse(once).scenes]
    assert len(ids) == len(set(ids))


@given(LINES)
def test_ids_that_are_there_stay(lines: list[str]) -> None:
    text = "## Chapter 1: A\n### Mine [[Scene 41]]\n" + "\n".join(lines)
    assert re.search(r"^### Mine \[\[Scene 41\]\]$", add_scene_ids(text), re.MULTILINE)
