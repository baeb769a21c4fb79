"""The DOCX: its parts fit together, its words are the book's, a publisher can restyle it. LibreOffice opens it in
test_printed_books.py; here python-docx is a second reader."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC
from xml.etree import ElementTree as ET

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.exporters.blocks import visible
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from shared.covers import cover_of
from tests.acceptance.test_epubcheck import book_of_parts, book_of_scripts, hostile_book, normal_book
from tests.support.pictures import png
from tests.support.rereading import WORD, words_of_docx
from tests.unit.test_exporters_hostile import (
    HOSTILE_TEXTS,
    HOSTILE_TITLES,
    exported,
    is_document_character,
    manuscript,
    row,
)

pytestmark = pytest.mark.unit

RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
BOOKS = [normal_book, book_of_parts, hostile_book, book_of_scripts]
FULL = ExportOptions(cover=cover_of(png(600, 900)), is_draft=True, font="sans")


def parts(content: bytes) -> dict[str, ET.Element]:
    """Every XML file of a DOCX, parsed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.endswith((".xml", ".rels"))]
        return {name: ET.fromstring(archive.read(name)) for name in names}  # noqa: S314 - made by the test


def words(book: Manuscript) -> list[list[str]]:
    """The visible words of every chapter."""
    return [visible(chapter.read()).split() for chapter in book.chapters]


def values(root: ET.Element, *tags: str, name: str = f"{WORD}val") -> set[str]:
    """An attribute of all elements of these tags."""
    return {str(element.get(name)) for tag in tags for element in root.iter(f"{WORD}{tag}")}


@pytest.mark.parametrize("make", BOOKS)
def test_everything_that_is_named_is_there(make: Callable[[], Manuscript]) -> None:
    """Styles, lists, notes, relationships and the types of files: a DOCX with a loose end does not open in Word."""
    content = exported(make(), "docx", FULL)
    found = parts(content)
    text, notes = found["word/document.xml"], found["word/footnotes.xml"]
    styles = {style.get(f"{WORD}styleId") for style in found["word/styles.xml"].iter(f"{WORD}style")}
    for root in (
        text,
        notes,
        found["word/styles.xml"],
        *(found[f"word/{name}.xml"] for name in ("headerOdd", "footerPage")),
    ):
        assert values(root, "pStyle", "rStyle", "tblStyle", "basedOn", "next") <= styles
    assert values(text, "numId") <= values(found["word/numbering.xml"], "num", name=f"{WORD}numId")
    assert values(text, "footnoteReference", name=f"{WORD}id") <= values(notes, "footnote", name=f"{WORD}id")
    for name, root in (("document", text), ("footnotes", notes)):
        relations = {str(relation.get("Id")): relation for relation in found[f"word/_rels/{name}.xml.rels"]}
        used = {e.get(f"{RELATION}{a}") for e in root.iter() for a in ("id", "embed")} - {None}
        assert used <= set(relations)
        outside = [r.get("Target", "") for r in relations.values() if r.get("TargetMode") == "External"]
        assert all(target.startswith(("http://", "https://", "mailto:")) for target in outside)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    inside = {r.get("Target") for r in found["word/_rels/document.xml.rels"] if r.get("TargetMode") is None}
    assert {f"word/{target}" for target in inside} <= set(names)
    types = found["[Content_Types].xml"]
    assert {item.get("PartName", "/")[1:] for item in types} - {""} <= set(names)
    marks = [mark.get(f"{WORD}id") for mark in text.iter(f"{WORD}bookmarkStart")]
    assert len(marks) == len(set(marks))
    anchors = values(text, "hyperlink", name=f"{WORD}anchor") - {"None"}
    assert anchors <= values(text, "bookmarkStart", name=f"{WORD}name")


@pytest.mark.parametrize("make", [normal_book, hostile_book, book_of_scripts])
def test_every_word_is_the_books(make: Callable[[], Manuscript]) -> None:
    book = make()
    assert words_of_docx(exported(book, "docx")) == words(book)


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=lambda title: ascii(title)[:30])
def test_a_hostile_title_shows_as_its_words_everywhere(title: str) -> None:
    book = manuscript(row("Text.", chapter_title=title), title=title, author=title)
    document = docx.Document(io.BytesIO(exported(book, "docx")))
    shown = " ".join("".join(filter(is_document_character, title)).split())
    by_style: dict[str, list[str]] = {}
    for paragraph in document.paragraphs:
        by_style.setdefault(str(paragraph.style and paragraph.style.name), []).append(paragraph.text)
    assert by_style["Title"] == by_style["Half Title"] == [shown or "Untitled"]
    assert by_style["Heading 1"] == by_style["toc 1"] == [shown or "Chapter 1"]
    assert by_style.get("Subtitle", []) == ([shown] if shown else [])
    assert document.core_properties.title == (shown or "Untitled")[:255] or len(shown) > 255
    assert by_style["First Paragraph"] == ["Text."]


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text)[:30])
def test_hostile_text_leaves_the_structure_of_the_book_alone(text: str) -> None:
    book = manuscript(
        row("Before." + text, chapter_title="One"),
        row("x\n\n" + text, chapter=2, position=2, chapter_title="Two"),
        row("After.", chapter=3, position=3, chapter_title="Three"),
    )
    content = exported(book, "docx")
    headings = [
        p.text for p in docx.Document(io.BytesIO(content)).paragraphs if p.style and p.style.name == "Heading 1"
    ]
    assert headings == ["One", "Two", "Three"]
    assert words_of_docx(content) == words(book)


@given(text=st.text(max_size=200), title=st.text(max_size=50))
def test_any_text_and_title_are_words(text: str, title: str) -> None:
    book = manuscript(row("x " + text, chapter_title=title), title=title)
    assert words_of_docx(exported(book, "docx")) == words(book)


def test_a_reader_finds_what_the_book_is() -> None:
    document = docx.Document(io.BytesIO(exported(book_of_parts(), "docx", FULL)))
    core = document.core_properties
    assert (core.title, core.author, core.language) == ("The Salt Ledger", "Ana Ferreira", "de")
    assert core.modified
    assert core.modified.replace(tzinfo=UTC) == book_of_parts().modified.replace(microsecond=0)
    styles = [paragraph.style.name for paragraph in document.paragraphs if paragraph.style]
    for name in (
        "Heading 1",
        "Heading 2",
        "Section Title",
        "Chapter Number",
        "Body Text",
        "Quote",
        "List Bullet",
        "Rule",
    ):
        assert name in styles
    assert [[cell.text for cell in line.cells] for line in document.tables[0].rows] == [
        ["boat", "count"],
        ["Rosa", "2"],
    ]
    assert len(document.sections) == 3
    assert [section.page_width.mm for section in document.sections if section.page_width] == pytest.approx(
        [152.4] * 3, abs=0.1
    )
    assert len(document.inline_shapes) == 0  # the cover is anchored to its page


def test_the_contents_are_a_field_that_lists_chapters_and_sections() -> None:
    text = ET.tostring(parts(exported(book_of_parts(), "docx"))["word/document.xml"], encoding="unicode")
    assert 'TOC \\o "1-2" \\h \\z \\u' in text
    listed = [
        p.text
        for p in docx.Document(io.BytesIO(exported(book_of_parts(), "docx"))).paragraphs
        if p.style and p.style.name.startswith("toc ")
    ]
    assert listed == ["Preface", "The Bay", "Low Water", "High Water", "<The> Sea", "Kapitel 3", "Thanks", "Gliederung"]


def test_every_list_counts_for_itself() -> None:
    found = parts(exported(manuscript(row("1. a\n2. b\n\ntext\n\n7. c\n\n- x\n\n999999999. far")), "docx"))
    starts = [values(num, "startOverride") for num in found["word/numbering.xml"].iter(f"{WORD}num")]
    assert starts == [{"1"}, {"7"}, {"1"}, {"32767"}]


def test_notes_are_footnotes_numbered_through_the_book() -> None:
    book = manuscript(row("a[^1]\n\n[^1]: One."), row("b[^1] c[^1]\n\n[^1]: Two.", chapter=2, position=2))
    found = parts(exported(book, "docx"))
    assert values(found["word/document.xml"], "footnoteReference", name=f"{WORD}id") == {"1", "2"}
    assert "NOTEREF note2" in "".join(found["word/document.xml"].itertext())


def test_the_same_book_is_the_same_bytes() -> None:
    assert exported(book_of_parts(), "docx", FULL) == exported(book_of_parts(), "docx", FULL)


@pytest.mark.parametrize(("language", "is_mirrored"), [("ar", True), ("he", True), ("en", False)])
def test_a_book_runs_the_way_of_its_language(language: str, is_mirrored: bool) -> None:
    content = exported(manuscript(row("| a |\n|-|\n| b |"), language=language), "docx")
    found = parts(content)
    assert bool(list(found["word/document.xml"].iter(f"{WORD}bidiVisual"))) is is_mirrored
    assert bool(list(found["word/document.xml"].iter(f"{WORD}rtlGutter"))) is is_mirrored
    assert values(found["word/styles.xml"], "lang") == {language, "en"}


@pytest.mark.parametrize("name", ["docx", "pdf"])
def test_large_and_incomplete_books_are_exported(name: str) -> None:
    """A paragraph of a megabyte, five thousand scenes, chapters that are missing."""
    many = [row(f"Scene {n}.", chapter=3 * (n // 100), position=n) for n in range(5000)]
    book = manuscript(*many, row("word " * 200_000, chapter=1000, position=9999))
    content = exported(book, name)
    if name == "docx":
        assert [len(chapter) for chapter in words_of_docx(content)] == [len(chapter) for chapter in words(book)]
        headings = [
            p.text for p in docx.Document(io.BytesIO(content)).paragraphs if p.style and p.style.name == "Heading 1"
        ]
        assert headings[:3] == ["Chapter 0", "Chapter 3", "Chapter 6"]
