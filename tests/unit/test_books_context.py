"""Sections chosen by name, and the nine variables of a scene."""

import pytest

from bookbot_worker.books import library
from bookbot_worker.books.context import SceneContext, variables
from bookbot_worker.books.sections import pick
from bookbot_worker.books.template import VARIABLES, render, uses
from shared import words
from shared.job_types import MODES

pytestmark = pytest.mark.unit

CHARACTERS = """Some words before.

## Mara Venn

Also called: the Keeper
### Past
Long.

## Édouard "Ned" Hale – a pilot
Tall.

## 3. Ilse Corrow (harbour master)
Kind.
"""


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Mara Venn"], ["## Mara Venn"]),
        (["mara"], ["## Mara Venn"]),
        (["THE KEEPER"], ["## Mara Venn"]),
        (["ned", "Edouard Hale"], ['## Édouard "Ned" Hale – a pilot']),
        (["Corrow", "Mara"], ["## Mara Venn", "## 3. Ilse Corrow (harbour master)"]),
        (["Nobody"], []),
        ([], []),
    ],
)
def test_sections_are_picked_by_name(names: list[str], expected: list[str]) -> None:
    picked = pick(CHARACTERS, names)
    assert [line for line in picked.split("\n") if line.startswith("## ")] == expected


def test_a_section_keeps_its_smaller_headings() -> None:
    assert pick(CHARACTERS, ["Mara"]) == "## Mara Venn\n\nAlso called: the Keeper\n### Past\nLong."


def test_a_scene_gets_its_own_section_people_and_places() -> None:
    values = variables(
        SceneContext(
            scene_id=2,
            brief="b",
            outline="## Chapter 1: A\n### X [[Scene 1]]\nx\n### Y [[Scene 2]]\ny\nCharacters: Ilse\nSetting: The Mill",
            characters=CHARACTERS,
            settings="## The Mill\nWheels.\n\n## The Sea\nWet.",
            previous="before",
        )
    )
    assert set(values) == set(VARIABLES)
    assert values["OutlineSection"].startswith("### Y [[Scene 2]]")
    assert values["CharactersSections"] == "## 3. Ilse Corrow (harbour master)\nKind."
    assert values["SettingsSections"] == "## The Mill\nWheels."
    assert (values["Brief"], values["PreviousChunk"], values["NextChunk"]) == ("b", "before", "")


def test_a_section_that_names_nobody_gets_those_it_mentions() -> None:
    values = variables(SceneContext(1, outline="### X [[Scene 1]]\nIlse waits by the mill.", characters=CHARACTERS))
    assert values["CharactersSections"].startswith("## 3. Ilse Corrow")


def test_a_scene_the_outline_does_not_know_gets_nothing_of_it() -> None:
    values = variables(SceneContext(None, outline="### X [[Scene 1]]\nIlse waits.", characters=CHARACTERS))
    assert values["OutlineSection"] == values["CharactersSections"] == ""


def test_every_default_prompt_is_a_usable_template() -> None:
    values = dict.fromkeys(VARIABLES, "value")
    for task in library.default_tasks():
        assert uses(task.prompt) >= ({"CurrentVersion"} if task.modes == ("copyedit",) else {"OutlineSection"})
        assert "{{" not in render(task.prompt, values)
    for name in ("outline", "characters", "settings"):
        assert "Brief" in uses(library.prompt(name))
    assert len({bot.name for bot in library.default_bots()}) == len(library.default_bots()) > 0


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_a_bot_and_a_task_that_sees_the_text_it_is_about(mode: str) -> None:
    assert any(bot.modes and bot.suits(mode) for bot in library.default_bots())
    task = next(task for task in library.default_tasks() if task.applies_to("generate_chunk", mode))
    assert ("CurrentVersion" in uses(task.prompt)) == (mode != "write")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("one", 1),
        ("It's a well-lit room.", 4),
        ("**bold** — and _thin_ …", 3),
        ("a—b", 2),
        ("# 12 words\n\n- x", 3),
    ],
)
def test_words_are_counted_as_a_reader_counts_them(text: str, expected: int) -> None:
    assert words.count(text) == expected
