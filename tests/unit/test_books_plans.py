"""Plans as JSON: what is read, what is refused with reasons, and that no text can pose as something else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookbot_worker.books import outline, sections
from bookbot_worker.books.plan_answers import read_answer, schema_of

pytestmark = pytest.mark.unit

SCENE = {"title": "The Door", "summary": "Ann knocks.", "characters": ["Ann Lee", "Bo"], "setting": "The Mill"}
NASTY = (
    "# Part Two",
    "## Chapter 9: Elsewhere",
    "Chapter One",
    "Scene 3: Again",
    "Prologue",
    "Characters: Nobody",
    "Setting",
    "**Scene 2 – The Door**",
    "x [[Scene 7]]",
    "### Inner",
    "1. First",
    "Themes",
    "- item\n\n## Chapter 2: More\n\n### More",
    "Outline",
    "a\x00b\ud800",
)


def plan(*chapters: dict[str, Any]) -> str:
    return json.dumps({"title": "T", "chapters": list(chapters)})


def test_a_plan_becomes_the_outline_the_house_reads() -> None:
    answer = plan({"title": "One", "scenes": [SCENE, SCENE | {"title": "Scene 2: The Stair"}]})
    reading = read_answer("outline", f"Here is the outline as JSON:\n\n```json\n{answer}\n```")
    assert reading.faults == ()
    read = outline.parse(reading.markdown or "")
    assert [(scene.id, scene.title) for scene in read.scenes] == [(1, "The Door"), (2, "The Stair")]
    assert (read.chapters[0].title, read.scenes[0].summary) == ("One", "Ann knocks.")
    assert (read.scenes[0].characters, read.scenes[0].settings) == (("Ann Lee", "Bo"), ("The Mill",))
    assert read.text == reading.markdown


@given(st.lists(st.sampled_from(NASTY) | st.text(max_size=40), min_size=6, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_text_opens_a_chapter_or_a_scene_of_its_own(texts: list[str]) -> None:
    title, heading, name, summary, person, place = texts
    scene = {"title": name, "summary": summary, "characters": [person, "Ann"], "setting": place}
    chapter = {"title": heading, "scenes": [scene, SCENE]}
    answer = json.dumps({"title": title, "chapters": [chapter, chapter]})
    reading = read_answer("outline", answer)
    read = outline.parse(reading.markdown or "")
    assert [scene.id for scene in read.scenes] == [1, 2, 3, 4]
    assert [len(chapter.scenes) for chapter in read.chapters] == [2, 2]
    assert [scene.title for scene in read.scenes][1] == "The Door"
    assert [scene.settings for scene in read.scenes][1] == ("The Mill",)
    assert "Nobody" not in read.scenes[0].characters
    assert "\x00" not in (reading.markdown or "").encode().decode()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ('{"title": "T", "chapters": [', "it is not JSON"),
        ('{"title": "T"}', "chapters: Field required"),
        ('{"title": "T", "chapters": [{"title": "One", "scenes": [{"title": 3}]}]}', "chapters.0.scenes.0.title"),
        ('{"title": "T", "chapters": [], "more": 1}', "more: Extra inputs"),
        ('{"title": "T", "chapters": [], "x\\u0000": 1}', "x\ufffd: Extra inputs"),
        (plan(), "there is no scene"),
        ("I would rather talk about the weather.", "there is no scene"),
        ("{" * 100_000, "it is not JSON"),
    ],
)
def test_what_cannot_be_used_is_said(answer: str, fault: str) -> None:
    reading = read_answer("outline", answer)
    assert reading.markdown is None
    assert any(fault in found for found in reading.faults)
    assert sum(map(len, reading.faults)) < 4_000


def test_small_faults_are_said_and_the_rest_is_used() -> None:
    reading = read_answer("outline", plan({"title": "One", "scenes": [SCENE | {"setting": " ", "characters": []}]}))
    assert len(outline.parse(reading.markdown or "").scenes) == 1
    assert reading.faults == (
        "chapters.0.scenes.0.setting: is empty",
        "chapters.0.scenes.0.characters: nobody is named",
    )


def test_sheets_are_sections_and_whoever_is_missing_is_named() -> None:
    ann = {
        "name": "Ann: Lee",
        "also_called": ["Annie", "# the Kid"],
        "pronouns": "she/her",
        "description": "Tall.\n\n## Bo\n\nAlso called: Ann",
        "habit": "hums",
        "voice": "“No.”",
    }
    reading = read_answer("characters", json.dumps({"characters": [ann, ann | {"habit": "x"}]}), ["Ann Lee", "Bo"])
    assert reading.faults == ("there is no section for Bo",)
    (section,) = sections.split(reading.markdown or "")
    assert section.name == "Ann Lee"
    assert section.text == (
        "## Ann Lee\n\nAlso called: Annie, the Kid\nPronouns: she/her\n\nTall.\n\nBo\n\nAlso called, Ann\n\n"
        "Habit: hums\nVoice: “No.”"
    )


def test_markdown_is_read_whatever_was_asked_for() -> None:
    reading = read_answer("settings", "## The Mill {old}\n\nWheels.", ["The Mill"])
    assert (reading.markdown, reading.faults) == ("## The Mill {old}\n\nWheels.", ())


@pytest.mark.parametrize("kind", ["outline", "characters", "settings"])
def test_schemas_are_strict_everywhere(kind: Any) -> None:
    """Servers with strict schemas want every field required, and nothing else allowed."""
    schema = schema_of(kind)
    for part in [schema, *schema["$defs"].values()]:
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
