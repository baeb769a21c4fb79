"""Hostile titles and texts through every format: they may change the visible words, and nothing else.

Holds the corpus and the readers (`pages`, `words`) that the other tests of exporters use.
"""

import io
import posixpath
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bookbot_worker.exporters import FORMATS
from bookbot_worker.exporters.assembly import SceneRow, build
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions

pytestmark = pytest.mark.unit

BOOK_ID = "0190b6f1-0000-7000-8000-000000000001"
WRITTEN_AT = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
XHTML = "{http://www.w3.org/1999/xhtml}"

HOSTILE_TITLES = (
    "<script>alert(1)</script>",
    "& < > \" ' ]]> --> <!--",
    "{{ Brief }} {% raw %} ${HOME} $(id)",
    "../../etc/passwd",
    "..\\..\\windows\\system32",
    "CON",
    "NUL\x00 and \x01\x1b[31m control\x7f",
    "half \ud800 a \udfff pair",
    "\u202egnp.exe\u202c \u2066isolated",
    "line\r\nfeeds\nand\u2028more",
    "👩🏽‍🚀 emoji 🇵🇹",
    "塩の帳簿",
    "ספר המלח",
    "# heading `code` *stars* [link](javascript:alert(1)) ![x](y) ~~s~~ | \\",
    "\ufffe\uffff\ufdd0",
    "",
    "x" * 5_000,
)

HOSTILE_TEXTS = (
    *HOSTILE_TITLES[:-2],
    '<img src="http://example.org/x.png" onerror="alert(1)"> <style>*{display:none}</style>',
    "```\na fence that never ends",
    "<!-- a comment that never ends",
    "<pre>\nnever closed",
    "<![CDATA[ never closed",
    "<?php never closed",
    "[a]: http://example.org/only-a-definition",
    "# One\n\nTwo\n===\n\n## Three #\n\n####### seven",
    "[x](javascript:alert(1)) [y](data:text/html,hi) [z](file:///etc/passwd) [w](http://[::bad) [v](//host/path)",
    "[ok](https://example.org/a?b=c&d=%20#e) <mailto:a@example.org> [un<https://example.org/in>der](https://example.org)",
    "![a *picture* [with](http://example.org) words](http://example.org/x.png) [![](a.png)](https://example.org/)",
    "&lt;b&gt; &amp;amp; &#0; &#x1; &#xD800; &nosuch; &nbsp;",
    "> " * 300 + "deep",
    "- " * 300 + "deep\n\n```\nopen",
    "\n".join(" " * indent + "- deep" for indent in range(0, 80, 2)) + "\n\n<!-- open",
    "| a | b |\n|:-:|--:|\n| 1 | <2> |",
    "999999999. far\n999999999. list",
    "a" * 100_000,
    "[" * 5_000,
    "*a " * 5_000,
)


def row(
    text: str, *, chapter: int | None = 1, position: float = 1.0, chapter_title: str = "", **props: str
) -> SceneRow:
    """A scene as it comes from the database; every position was written a second after the one before."""
    return SceneRow(
        chapter=chapter,
        position=position,
        props={"scene": 1, "title": "A scene", "chapter_title": chapter_title, **props},
        text=text,
        word_count=len(text.split()),
        created_at=WRITTEN_AT + timedelta(seconds=int(position)),
    )


def manuscript(
    *rows: SceneRow,
    title: str = "The Salt Ledger",
    author: str = "Ana Ferreira",
    language: str = "en",
    **included: Any,
) -> Manuscript:
    """A manuscript of these scenes; `included` are further arguments of `build`."""
    return build(title=title, author=author, language=language, book_id=BOOK_ID, rows=rows, **included)


def quiet(_fraction: float, _message: str) -> None:
    """A progress nobody looks at."""


def exported(book: Manuscript, name: str, options: ExportOptions | None = None) -> bytes:
    """The book in one format."""
    return FORMATS[name].load()(book, options or ExportOptions(), quiet)


def pages(book: Manuscript) -> dict[str, ET.Element]:
    """Every XML file of the book's EPUB, parsed, by its name without folders."""
    with zipfile.ZipFile(io.BytesIO(exported(book, "epub"))) as archive:
        return {
            posixpath.basename(name): ET.fromstring(archive.read(name))  # noqa: S314 - made a line above
            for name in archive.namelist()
            if name.endswith((".xhtml", ".opf", ".ncx", ".xml"))
        }


def words(element: ET.Element | None) -> list[str]:
    """The words an element shows."""
    assert element is not None
    return "".join(element.itertext()).split()


def is_document_character(character: str) -> bool:
    """Whether XML 1.0 allows a character and readers do not choke on it."""
    code = ord(character)
    if code < 0x20:
        return character in "\t\n\r"
    is_control = 0x7F <= code <= 0x9F and code != 0x85
    return not (is_control or 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE)


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=lambda title: ascii(title)[:30])
def test_a_hostile_title_shows_as_its_words_everywhere(title: str) -> None:
    files = pages(manuscript(row("Text.", chapter_title=title), title=title, author=title))
    shown = "".join(filter(is_document_character, title)).split()
    assert words(files["title.xhtml"].find(f".//{XHTML}h1")) == (shown or ["Untitled"])
    assert words(files["chapter-0001.xhtml"].find(f".//{XHTML}h1")) == (shown or ["Chapter", "1"])
    assert words(files["nav.xhtml"].find(f".//{XHTML}ol/{XHTML}li/{XHTML}a")) == (shown or ["Chapter", "1"])
    author = files["title.xhtml"].find(f".//{XHTML}p[@class='author']")
    assert (words(author) if shown else author) == (shown or None)


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text)[:30])
def test_hostile_text_leaves_the_structure_of_the_book_alone(text: str) -> None:
    book = manuscript(
        row("Before." + text, chapter_title="One"),
        row("x\n\n" + text, chapter=2, position=2, chapter_title="Two"),
        row("After.", chapter=3, position=3, chapter_title="Three"),
    )
    files = pages(book)
    assert [words(item) for item in files["nav.xhtml"].iter(f"{XHTML}li")][:3] == [["One"], ["Two"], ["Three"]]
    for name, page in files.items():
        if name.startswith("chapter-"):
            assert len(page.findall(f".//{XHTML}h1")) == 1
            assert {"script", "style", "img", "iframe"}.isdisjoint(
                tag.tag.removeprefix(XHTML) for tag in page[1].iter()
            )
            targets = [link.get("href", "") for link in page[1].iter(f"{XHTML}a")]
            assert all(target.startswith(("http://", "https://", "mailto:")) for target in targets), targets
    assert words(files["chapter-0003.xhtml"].find(f".//{XHTML}section/{XHTML}p")) == ["After."]
