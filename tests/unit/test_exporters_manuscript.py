"""What is printed, in which order, and what the colophon admits."""

import dataclasses
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.exporters import FORMATS
from bookbot_worker.exporters.assembly import NothingWritten
from bookbot_worker.exporters.words import is_right_to_left, language_tag, one_line, printable
from shared.export_props import ExportFormat, Numbering
from tests.unit.test_exporters_hostile import WRITTEN_AT, is_document_character, manuscript, row

pytestmark = pytest.mark.unit


def test_every_format_of_the_catalogue_has_an_exporter() -> None:
    assert set(FORMATS) == set(get_args(ExportFormat))
    assert all(name == exporter.name and callable(exporter.load()) for name, exporter in FORMATS.items())


def test_scenes_are_read_by_position_and_gathered_into_chapters() -> None:
    book = manuscript(
        row("Third.", chapter=2, position=3),
        row("First.", chapter=1, position=1),
        row("Second.", chapter=1, position=1.5),
    )
    assert [(c.number, [s.text for s in c.scenes]) for c in book.chapters] == [
        (1, ["First.", "Second."]),
        (2, ["Third."]),
    ]


def test_a_scene_outside_chapters_joins_the_chapter_before_it() -> None:
    book = manuscript(
        row("Prologue.", chapter=None, position=0),
        row("A.", chapter=4, position=1),
        row("B.", chapter=None, position=2),
    )
    assert [(c.number, len(c.scenes)) for c in book.chapters] == [(4, 3)]


def test_missing_chapters_stay_missing_and_keep_the_numbers_of_the_others() -> None:
    book = manuscript(row("A.", chapter=1), row("B.", chapter=7, position=2))
    assert [c.title for c in book.chapters] == ["Chapter 1", "Chapter 7"]


def test_scenes_without_text_are_skipped_with_their_chapter() -> None:
    book = manuscript(row("", chapter=1), row(" \n\t\x00 ", chapter=1, position=2), row("B.", chapter=2, position=3))
    assert [c.number for c in book.chapters] == [2]


@pytest.mark.parametrize(
    ("number", "title", "numbering", "shown"),
    [
        (3, "Salt", "arabic", ("3", "Salt")),
        (3, "Salt", "roman", ("III", "Salt")),
        (3, "Salt", "none", ("", "Salt")),
        (3, "3. Salt", "arabic", ("", "3. Salt")),
        (3, "33 Boats", "arabic", ("3", "33 Boats")),
        (1994, "", "roman", ("", "Chapter MCMXCIV")),
        (0, "", "roman", ("", "Chapter 0")),
        (3, "", "none", ("", "Chapter 3")),
    ],
)
def test_a_chapter_has_its_number_once(number: int, title: str, numbering: Numbering, shown: tuple[str, str]) -> None:
    [chapter] = manuscript(row("A.", chapter=number, chapter_title=title), numbering=numbering).chapters
    assert (chapter.label, chapter.title) == shown


def test_a_chapter_without_a_title_is_called_so_in_the_books_language() -> None:
    titles = [manuscript(row("A."), language=tag).chapters[0].title for tag in ("pt-BR", "ja", "tlh", "und")]
    assert titles == ["Capítulo 1", "第1章", "Chapter 1", "Chapter 1"]


def test_parts_begin_where_a_scene_names_another() -> None:
    book = manuscript(
        row("A.", chapter=1),
        row("B.", chapter=2, position=2, part_title="The Bay"),
        row("C.", chapter=3, position=3),
        row("D.", chapter=4, position=4, part_title="The Bay"),
        row("E.", chapter=5, position=5, part_title="The Sea"),
    )
    assert [(part.title, [c.number for c in part.chapters]) for part in book.parts] == [
        ("", [1]),
        ("The Bay", [2, 3, 4]),
        ("The Sea", [5]),
    ]


def test_sections_stand_before_and_after_the_chapters() -> None:
    book = manuscript(
        row("A."),
        row("Thanks.", position=2, matter="back", title="Thanks"),
        row("For A.", position=3, matter="front", title=""),
        row("B.", position=4, matter="middle"),
        outline="# Plan\n\n### Low Water [[Scene 12]]\n",
        characters=" \n",
    )
    assert [(s.title, s.text) for s in book.front] == [("", "For A.")]
    assert [(s.title, s.text) for s in book.back] == [("Thanks", "Thanks."), ("Outline", "# Plan\n\n### Low Water")]
    assert [len(chapter.scenes) for chapter in book.chapters] == [2]


def test_labelled_lines_of_an_outline_stay_lines() -> None:
    [section] = manuscript(row("A."), characters="## Ana\n\nPronouns: she\nHabit: counts\nand waits").back
    assert section.text == "## Ana\n\nPronouns: she\\\nHabit: counts\nand waits"


@pytest.mark.parametrize("rows", [(), (row(""),), (row("\x00\n"),), (row("A.", matter="front"),)])
def test_a_book_without_text_says_what_to_do(rows: tuple[object, ...]) -> None:
    with pytest.raises(NothingWritten, match="nothing written yet: run generate_book first"):
        manuscript(*rows)


def test_the_words_are_those_of_the_printed_scenes() -> None:
    uncounted = dataclasses.replace(row("five six seven", position=3), word_count=0)
    assert manuscript(row("one two three four"), row("", position=2), uncounted).words == 7


def test_the_book_was_modified_when_its_newest_scene_was() -> None:
    book = manuscript(row("A.", position=5), row("B.", position=2))
    assert book.modified == WRITTEN_AT + timedelta(seconds=5)


def test_the_identifier_is_the_books_own() -> None:
    assert manuscript(row("A.")).identifier == "urn:uuid:0190b6f1-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("rows", "told", "not_told"),
    [
        ([row("A.")], "made with BookBot", "offline"),
        ([row("A.", provider="offline", model="offline-1")], "Its text was composed by BookBot’s offline", "offline-1"),
        ([row("A.", provider="openai", model="m-2")], "with the language model m-2.", "offline"),
        (
            [row("A.", provider="openai", model="m-2"), row("B.", provider="openai", model="m-1")],
            "language models m-1, m-2.",
            "offline",
        ),
        (
            [row("A.", provider="offline"), row("B.", provider="openai", model="m")],
            "not by a person or a language model. Other parts were written with the language model m.",
            "Its text was",
        ),
    ],
)
def test_the_colophon_says_who_composed_the_text(rows: list[object], told: str, not_told: str) -> None:
    colophon = manuscript(*rows).colophon
    assert told in colophon
    assert not_told not in colophon


@pytest.mark.parametrize(
    ("raw", "tag"),
    [
        ("en", "en"),
        ("pt-br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de-1996", "de-1996"),
        ("en-us-us", "en-US"),
        ("en-abc1defgh9", "en"),
        ("x", "und"),
        ("", "und"),
    ],
)
def test_a_language_is_its_well_formed_beginning(raw: str, tag: str) -> None:
    assert language_tag(raw) == tag


@pytest.mark.parametrize(
    ("language", "rtl"), [("ar", True), ("fa-IR", True), ("az-Arab", True), ("en", False), ("ur-Latn", False)]
)
def test_the_direction_follows_the_script(language: str, rtl: bool) -> None:
    assert is_right_to_left(language) is rtl


@given(st.text(st.characters(exclude_categories=())))
def test_printable_text_holds_only_what_a_document_may(text: str) -> None:
    cleaned = printable(text)
    assert all(map(is_document_character, cleaned))
    assert "\r" not in cleaned
    assert cleaned.split() == "".join(filter(is_document_character, text)).split()
    assert printable(cleaned) == cleaned


@pytest.mark.parametrize("unseen", ["\u200b", "\u202e\u2066", " \n", "\x00"])
def test_a_title_nobody_can_see_is_none(unseen: str) -> None:
    assert one_line(unseen) == ""
