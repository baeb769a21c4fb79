"""The PDF: what Typst is told, and that no letter becomes a box in silence. What is printed: test_printed_books.py."""

import json
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.exporters import ExportFailed, ExportWarning
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.pdf.data import book_data, breakable
from shared.covers import cover_of
from tests.support.pictures import png
from tests.unit.test_exporters_hostile import HOSTILE_TEXTS, HOSTILE_TITLES, exported, manuscript, quiet, row

pytestmark = pytest.mark.unit

NOWHERE = "\U0010fffd"  # private use: no font of any machine is meant to have it


def told(book: Manuscript) -> dict[str, Any]:
    """The data of the template, as it comes back from JSON."""
    return dict(json.loads(json.dumps(book_data(book, ExportOptions(), quiet))))


def printed(book: Manuscript, options: ExportOptions | None = None) -> tuple[bytes, list[str]]:
    """The PDF, and the warnings it was made with."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ExportWarning)
        content = exported(book, "pdf", options)
    return content, [str(warning.message) for warning in caught]


@given(st.text(max_size=200))
def test_places_to_break_change_no_word(words: str) -> None:
    assert "".join(breakable(words).replace("\u200b", "").split()) == "".join(words.replace("\u200b", "").split())


def test_long_words_may_break_and_others_may_not() -> None:
    assert breakable("incomprehensibilities " * 3) == "incomprehensibilities " * 3
    assert max(map(len, breakable("a" * 5000).split("\u200b"))) == 10
    assert breakable("e\u0301" * 40).count("\u200be\u0301") == breakable("e\u0301" * 40).count("\u200b")


@pytest.mark.parametrize("text", [*HOSTILE_TITLES, *HOSTILE_TEXTS], ids=lambda text: ascii(text)[:30])
def test_text_is_told_as_strings_that_mean_themselves(text: str) -> None:
    """Only the first item of a list says what it is; all of them are names that the template knows."""
    known = {"paragraph", "heading", "quote", "bullets", "numbers", "table", "preformatted", "rule"}
    content = told(manuscript(row("x\n\n" + text)))["parts"][0]["chapters"][0]["content"]
    assert {block[0] for scene in content["scenes"] for block in scene} <= known


def test_headings_leave_out_no_level() -> None:
    chapter = told(manuscript(row("###### Six\n\n# One\n\n### Three")))["parts"][0]["chapters"][0]
    assert [block[1] for block in chapter["content"]["scenes"][0]] == [2, 2, 3]


def test_a_normal_book_is_an_accessible_pdf_without_a_warning() -> None:
    content, warned = printed(manuscript(row("Жена, γυναίκα, שלום, سلام, naïve “quotes” — and → ☃.[^1]\n\n[^1]: Ok.")))
    assert warned == []
    assert b"<pdfuaid:part>1</pdfuaid:part>" in content


def test_letters_that_no_font_has_are_named_each_once() -> None:
    content, warned = printed(manuscript(row(f"a {NOWHERE} b {NOWHERE}", chapter_title=f"T {NOWHERE}")))
    assert content.startswith(b"%PDF")
    (message,) = warned
    assert message.startswith(f"no font has {NOWHERE} (U+10FFFD): printed as empty boxes.")


@pytest.mark.parametrize("text", ["塩の帳簿", "한국어", "👩🏽\u200d🚀", "ไทย", "हिन्दी"])
def test_other_scripts_are_set_with_a_font_or_named(text: str) -> None:
    """Which of the two depends on the fonts of the machine; a box without a word is neither."""
    content, warned = printed(manuscript(row(text)))
    assert (b"<pdfuaid:part>1</pdfuaid:part>" in content) != bool(warned)


def test_many_missing_letters_make_one_sentence() -> None:
    (message,) = printed(manuscript(row("".join(chr(0x10FF00 + n) for n in range(30)))))[1]
    assert "and 18 more: printed as empty boxes" in message


def test_letters_that_are_never_seen_are_not_missed() -> None:
    assert printed(manuscript(row("a\u200bb \u2066c\u2069 \u202ed\u202c\ufeff e\u00adf \u200d")))[1] == []


@pytest.mark.parametrize("font", ["serif", "sans"])
@pytest.mark.parametrize("language", ["en", "de", "und", "zh-Hant-TW", "ar", "he", "sr-Latn-RS"])
def test_every_language_and_font_makes_the_same_bytes_twice(language: str, font: Any) -> None:
    book = manuscript(row("Text."), language=language, title="Title")
    assert printed(book, ExportOptions(font=font)) == printed(book, ExportOptions(font=font))


def test_a_title_leaves_no_short_word_alone_on_its_last_line() -> None:
    assert (
        told(manuscript(row("x"), title="The Ledger of Skerry Head"))["title-lines"] == "The Ledger of Skerry\u00a0Head"
    )
    assert told(manuscript(row("x"), title="Salt"))["title-lines"] == "Salt"


@pytest.mark.parametrize(
    "text", ["![](x.png)", "\u00a0", "[a]: http://example.org/x", "***", "|a|\n|-|", "# ", "```\n```"]
)
def test_chapters_with_hardly_a_word_are_printed(text: str) -> None:
    content, warned = printed(manuscript(row(text), row("x", chapter=2, position=2)))
    assert (b"<pdfuaid:part>1</pdfuaid:part>" in content, warned) == (True, [])


def test_a_cover_that_cannot_be_decoded_is_a_failure_in_words() -> None:
    whole = png(600, 900)
    broken = whole[:60] + bytes(len(whole) - 80) + whole[-20:]
    with pytest.raises(ExportFailed, match="the cover cannot be printed: "):
        exported(manuscript(row("Text.")), "pdf", ExportOptions(cover=cover_of(broken)))
