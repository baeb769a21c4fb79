"""PDF and DOCX as a reader, a printer and a word processor have them: Poppler and LibreOffice read them for real."""

import random
import re
import warnings
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openxml_audit import OpenXmlValidator

from bookbot_worker.exporters import FORMATS, ExportFailed, ExportWarning
from bookbot_worker.exporters.archive import packed
from bookbot_worker.exporters.blocks import visible
from bookbot_worker.exporters.docx.headings import chapter_level
from bookbot_worker.exporters.in_child import Limits, Listener, render
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import TRIMS, ExportOptions
from shared.covers import cover_of
from tests.acceptance.test_epubcheck import PROSE, book_of_parts, book_of_scripts, hostile_book, normal_book
from tests.support.pictures import png
from tests.support.printing import Printed, through_libreoffice
from tests.support.rereading import BREAKS_INSIDE_WORDS, words_of_docx, words_of_pdf
from tests.unit.test_exporters_hostile import HOSTILE_TEXTS, exported, manuscript, row

pytestmark = pytest.mark.acceptance

LONG = " ".join(f"Wort{n} Donaudampfschifffahrtsgesellschaftskapitän" for n in range(300))
LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\u00ad"), max_size=300)
# What Poppler's reader of structure gets wrong: right to left, letters without a font, invisible places to break.
MISREAD = (
    *("\u202egnp.exe\u202c \u2066isolated", "ספר המלח", "塩の帳簿", "👩🏽\u200d🚀 emoji 🇵🇹"),
    *("a" * 100_000, "[" * 5_000),
)


def words(book: Manuscript) -> list[list[str]]:
    """The visible words of every chapter."""
    return [visible(chapter.read()).translate(BREAKS_INSIDE_WORDS).split() for chapter in book.chapters]


def without_second_marks(chapters: list[list[str]]) -> list[list[str]]:
    """The number of a note that is marked again is a word to Poppler, and what LibreOffice saves."""
    return [[re.sub(r"again,\d+", "again,", word) for word in chapter] for chapter in chapters]


def novel() -> Manuscript:
    """Six chapters of two scenes, 6,000 words that hyphens may break. Poppler takes half a minute for 90,000."""
    vocabulary = ["extraordinary", "responsibility", "understanding", "salt,", "tide", "ledger", "the", "“whispering”"]
    drawn = random.Random(5).choices(vocabulary, k=500)
    text = "\n\n".join(" ".join(drawn[at : at + 50]) + "." for at in range(0, 500, 50))
    return manuscript(*(row(text, chapter=n // 2, position=n, chapter_title=f"Tide {n // 2}") for n in range(12)))


def pdf(book: Manuscript, folder: Path, options: ExportOptions | None = None) -> Printed:
    """The book's PDF on disk, whatever letters are missing in it."""
    path = folder / "book.pdf"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExportWarning)
        path.write_bytes(exported(book, "pdf", options))
    return Printed(path)


def reread(printed: Printed, book: Manuscript) -> list[list[str]]:
    """The words of every chapter of a PDF, without the colophon at its end."""
    *chapters, last = words_of_pdf(printed.path)
    colophon = book.colophon.split()
    assert last[-len(colophon) :] == colophon
    return [*chapters, last[: -len(colophon)]]


def test_a_book_is_printed_as_a_book_is(tmp_path: Path) -> None:
    """Half title, title, contents whose numbers are right, chapters on new pages under their own running heads."""
    printed = pdf(normal_book(), tmp_path)
    pages = printed.pages
    assert printed.info["Tagged"] == "yes"
    assert printed.info["Title"] == "The Salt Ledger"
    assert printed.info["Author"] == "Ana Ferreira"
    assert all(printed.fonts.values())
    assert "LibertinusSerif-Regular-Identity-H" in printed.fonts
    assert pages[:4] == [["The Salt Ledger"], [], ["The Salt Ledger", "Ana Ferreira"], []]
    assert pages[4][0] == "Contents"
    assert pages[5] == []
    listed = {
        match[1]: int(match[2]) + 6
        for line in pages[4]
        if (match := re.match(r"(?:\d )?(.+?)[ .]+\u2060?(\d+)$", line))
    }
    assert list(listed) == ["Tide 0", "Tide 1", "Tide 2", "Chapter 4"]
    assert printed.bookmarks == [
        (listed["Tide 0"], "1 Tide 0"),
        (listed["Tide 1"], "2 Tide 1"),
        (listed["Tide 2"], "3 Tide 2"),
        (listed["Chapter 4"], "Chapter 4"),
    ]
    assert pages[listed["Tide 1"] - 1][:2] == ["2", "Tide 1"]
    assert pages[7][0] == "2 The Salt Ledger"
    assert pages[8][0] == "Tide 0 3"
    assert pages[-1][0].startswith("This book was made with BookBot. Its text was composed by")


def test_no_page_begins_with_the_end_of_a_paragraph_or_ends_with_a_beginning(tmp_path: Path) -> None:
    text = "\n\n".join("Alpha " + "water and salt and boats " * n + "omega." for n in [9, 12, 14, 11, 8, 13] * 20)
    pages = pdf(manuscript(row(text)), tmp_path).pages[7:-1]
    assert len(pages) > 8
    for page in pages[:-1]:
        first, last = page[1], page[-1]
        assert "omega" not in first or "Alpha" in first
        assert "Alpha" not in last or "omega" in last


def test_words_break_as_the_language_says(tmp_path: Path) -> None:
    def broken(language: str) -> int:
        pages = pdf(manuscript(row(LONG), language=language), tmp_path).pages
        return sum(line.endswith(("-", "\u2010", "\u00ad")) for page in pages for line in page)

    assert broken("de") > 30
    assert broken("und") == 0


@pytest.mark.parametrize("name", TRIMS)
def test_pages_have_the_trim_that_was_asked_for(name: str, tmp_path: Path) -> None:
    trim = TRIMS[name]
    size = round(trim.width), round(trim.height)
    book = manuscript(row(PROSE))
    assert pdf(book, tmp_path, ExportOptions(trim=trim)).millimetres == size
    path = tmp_path / "book.docx"
    path.write_bytes(exported(book, "docx", ExportOptions(trim=trim)))
    assert Printed(through_libreoffice(path, "pdf")).millimetres == size


def test_cover_draft_and_sans_show(tmp_path: Path) -> None:
    options = ExportOptions(cover=cover_of(png(600, 900)), is_draft=True, font="sans")
    printed = pdf(book_of_parts(), tmp_path, options)
    assert printed.pages[0] == []
    assert all({"En", "tw", "ur", "f"} <= set(page) for page in printed.pages[1:])  # it runs across the page
    assert "SourceSans3-Roman" in printed.fonts
    assert [title for _, title in printed.bookmarks] == [
        *("Preface", "The Bay", "1 Low Water", "2 High Water", "<The> Sea", "Kapitel 3", "Thanks", "Gliederung")
    ]


@pytest.mark.parametrize("make", [normal_book, novel])
def test_every_word_of_a_pdf_is_the_books(make: Callable[[], Manuscript], tmp_path: Path) -> None:
    """Notes stand where they are marked, so that only the order differs."""
    book = make()
    found = without_second_marks(reread(pdf(book, tmp_path), book))
    assert [sorted(chapter) for chapter in found] == [sorted(chapter) for chapter in words(book)]
    assert sum(map(len, found)) == book.words or make is normal_book


@pytest.mark.parametrize(
    "text", [text for text in HOSTILE_TEXTS if text not in MISREAD], ids=lambda text: ascii(text)[:30]
)
def test_hostile_text_is_printed_as_its_words(text: str, tmp_path: Path) -> None:
    book = manuscript(
        row("Before.", chapter_title="One"),
        row("x\n\n" + text, chapter=2, position=2, chapter_title="Two"),
        row("After.", chapter=3, position=3, chapter_title="Three"),
    )
    printed = pdf(book, tmp_path)
    # What is longer than a line is broken, which the reader takes for a space.
    assert ["".join(chapter) for chapter in reread(printed, book)] == ["".join(chapter) for chapter in words(book)]
    assert [title for _, title in printed.bookmarks] == ["1 One", "2 Two", "3 Three"]


def test_no_letter_of_an_endless_word_is_lost(tmp_path: Path) -> None:
    printed = pdf(manuscript(row("y" * 100_000)), tmp_path)
    assert "".join("".join(page) for page in printed.pages).count("y") == 100_000


def test_right_to_left_is_printed_in_its_order(tmp_path: Path) -> None:
    page = pdf(manuscript(row("ספר המלח של רוזה"), language="he"), tmp_path).pages[6]
    assert "ספר המלח של רוזה" in re.sub("[\u202a-\u202e]", "", " ".join(page))


@given(text=LATIN.filter(lambda text: max(map(len, text.split()), default=0) < 30))
@settings(max_examples=40, deadline=None)
def test_any_latin_text_is_printed_as_its_words(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    book = manuscript(row("x " + text))
    printed = pdf(book, tmp_path_factory.mktemp("any"))
    assert ["".join(chapter) for chapter in reread(printed, book)] == ["".join(chapter) for chapter in words(book)]


@pytest.mark.parametrize("make", [normal_book, book_of_parts, hostile_book, book_of_scripts])
def test_libreoffice_keeps_every_word_of_a_docx(make: Callable[[], Manuscript], tmp_path: Path) -> None:
    path, book = tmp_path / "book.docx", make()
    path.write_bytes(exported(book, "docx", ExportOptions(cover=cover_of(png(600, 900)), is_draft=True)))
    saved = words_of_docx(through_libreoffice(path, "docx").read_bytes(), chapter_level(book))
    assert without_second_marks(saved) == words(book)


@pytest.mark.parametrize("make", [normal_book, book_of_parts, hostile_book, book_of_scripts])
def test_a_docx_breaks_no_rule_of_office(make: Callable[[], Manuscript], tmp_path: Path) -> None:
    path = tmp_path / "book.docx"
    path.write_bytes(exported(make(), "docx", ExportOptions(cover=cover_of(png(600, 900)), is_draft=True)))
    verdict = OpenXmlValidator().validate(path)
    assert [(error.part_uri, error.description) for error in verdict.errors] == []


def test_a_broken_docx_would_be_noticed(tmp_path: Path) -> None:
    path = tmp_path / "book.docx"
    path.write_bytes(exported(normal_book(), "docx"))
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    broken = [(name, content.replace(b"<w:body>", b"<w:body><w:t/>")) for name, content in members]
    path.write_bytes(packed(broken))
    assert OpenXmlValidator().validate(path).errors


def test_libreoffice_finds_headings_contents_and_language(tmp_path: Path) -> None:
    path = tmp_path / "book.docx"
    path.write_bytes(exported(book_of_parts(), "docx"))
    saved = through_libreoffice(path, "fodt").read_text(encoding="utf-8")
    assert "<text:table-of-content " in saved
    headings = [re.findall(rf'<text:h [^>]*text:outline-level="{level}"', saved) for level in (1, 2)]
    assert list(map(len, headings)) == [5, 3]
    assert '<text:note text:id="ftn' in saved
    assert 'fo:language="de"' in saved
    assert "<dc:title>The Salt Ledger</dc:title>" in saved


@pytest.mark.parametrize("name", ["pdf", "docx"])
def test_a_child_makes_the_same_file_under_the_default_limits(name: str) -> None:
    told: list[tuple[float, str]] = []
    warned: list[str] = []
    book = manuscript(row("One. \U0010fffd"), row("Two.", chapter=2, position=2))
    listener = Listener(lambda *step: told.append(step), warned.append, lambda _close: nullcontext())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExportWarning)
        here = exported(book, name)
    assert render(FORMATS[name], book, ExportOptions(), Limits(2048, 100), listener) == here
    assert [message for _, message in told][:2] == ["chapter 1 of 2", "chapter 2 of 2"]
    assert told[-1][0] == 1.0
    assert [message[:23] for message in warned] == (["no font has \U0010fffd (U+10FFFD"] if name == "pdf" else [])


def test_a_pdf_that_needs_more_memory_than_it_may_take_fails_in_words() -> None:
    listener = Listener(lambda _done, _said: None, print, lambda _close: nullcontext())
    with pytest.raises(ExportFailed) as failure:
        render(FORMATS["pdf"], novel(), ExportOptions(), Limits(160, 100), listener)
    assert str(failure.value) == "the export needs more than 160 MB of memory, which is BOOKBOT_EXPORT_MEMORY_MB"
