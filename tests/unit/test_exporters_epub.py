"""The EPUB: its container, its metadata, its pages, and what Markdown becomes on them."""

import io
import zipfile
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.exporters.reading import read
from bookbot_worker.exporters.words import printable
from bookbot_worker.exporters.xhtml import fragment
from tests.unit.test_exporters_hostile import (
    HOSTILE_TEXTS,
    XHTML,
    exported,
    is_document_character,
    manuscript,
    pages,
    row,
    words,
)

pytestmark = pytest.mark.unit

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=200)
PIECES = """[ ]( ) ![ < > ` * _ ~~ | # & &lt; a http://a.b/c?d=e&f javascript:x mailto:a@b.c "t" \\ --- |-| 1. ``` <b>
]: - + ** *** <http://e.org> <a@e.org>"""
MARKUP = st.lists(st.sampled_from([*PIECES.split(), " ", "  ", "\n", "\n\n"]), max_size=60).map("".join)
NAMES = "p em strong s a code pre blockquote ol ul li hr br h2 h3 h4 h5 h6 table thead tbody tr th td"
ELEMENTS = set(NAMES.split())
OPF = "{http://www.idpf.org/2007/opf}"
DC = "{http://purl.org/dc/elements/1.1/}"


def parsed(markdown: str) -> ET.Element:
    """The fragment for `markdown` inside a body."""
    return ET.fromstring(f"<body>{fragment(read([printable(markdown)]), below=1)}</body>")  # noqa: S314 - our own


def test_the_media_type_comes_first_and_uncompressed() -> None:
    content = exported(manuscript(row("A.")), "epub")
    assert content[30:58] == b"mimetypeapplication/epub+zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        first, *others = archive.infolist()
        assert first.compress_type == zipfile.ZIP_STORED
        assert {entry.compress_type for entry in others} == {zipfile.ZIP_DEFLATED}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None


@pytest.mark.parametrize("name", ["epub", "html", "markdown"])
def test_the_same_book_gives_the_same_bytes(name: str) -> None:
    rows = [row(text or "x", chapter=number // 3, position=number) for number, text in enumerate(HOSTILE_TEXTS)]
    assert exported(manuscript(*rows), name) == exported(manuscript(*rows[::-1]), name)


def test_the_package_describes_the_book() -> None:
    package = pages(manuscript(row("A."), row("B.", chapter=2, position=2), language="pt-BR"))["package.opf"]
    metadata = package[0]
    assert [metadata.findtext(DC + name) for name in ("title", "creator", "language", "identifier")] == [
        "The Salt Ledger",
        "Ana Ferreira",
        "pt-BR",
        "urn:uuid:0190b6f1-0000-7000-8000-000000000001",
    ]
    said = {(meta.get("property"), meta.text) for meta in metadata.iter(f"{OPF}meta")}
    assert ("dcterms:modified", "2026-03-04T05:06:09Z") in said
    assert ("schema:accessMode", "textual") in said
    assert ("schema:accessibilityHazard", "none") in said
    assert [item.get("idref") for item in package.iter(f"{OPF}itemref")] == [
        "title",
        "nav",
        "chapter-0001",
        "chapter-0002",
        "colophon",
    ]


def test_every_file_is_in_the_manifest() -> None:
    content = exported(manuscript(row("A.")), "epub")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        stored = {name.removeprefix("EPUB/") for name in archive.namelist() if name.startswith("EPUB/")}
        package = ET.fromstring(archive.read("EPUB/package.opf"))  # noqa: S314 - made above
    assert {item.get("href") for item in package.iter(f"{OPF}item")} == stored - {"package.opf"}


def test_scenes_are_separated_by_breaks_and_their_titles_stay_unprinted() -> None:
    page = pages(manuscript(row("One."), row("Two.", position=2)))["chapter-0001.xhtml"]
    section = page.find(f".//{XHTML}section")
    assert section is not None
    assert [child.tag.removeprefix(XHTML) for child in section] == ["header", "p", "hr", "p"]
    assert "A scene" not in "".join(page.itertext())


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Low Water", ["2", "Low", "Water"]),
        ("Chapter 2: Low Water", ["Chapter", "2:", "Low", "Water"]),
        ("22 Acacia Avenue", ["2", "22", "Acacia", "Avenue"]),
        ("", ["Chapter", "2"]),
    ],
)
def test_a_chapter_is_numbered_once(title: str, shown: list[str]) -> None:
    page = pages(manuscript(row("A.", chapter=2, chapter_title=title)))["chapter-0001.xhtml"]
    assert words(page.find(f".//{XHTML}header")) == shown


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl"), ("he-IL", "rtl")])
def test_pages_and_their_order_run_in_the_direction_of_the_language(language: str, direction: str) -> None:
    files = pages(manuscript(row("A."), language=language))
    spine = files["package.opf"].find(f"{OPF}spine")
    assert spine is not None
    assert spine.get("page-progression-direction") == direction
    assert {page.get("dir") for name, page in files.items() if name.endswith(".xhtml")} == {direction}
    assert files["chapter-0001.xhtml"].get("{http://www.w3.org/XML/1998/namespace}lang") == language


@given(title=ANYTHING, author=ANYTHING, chapter=ANYTHING)
def test_any_title_shows_as_its_words(title: str, author: str, chapter: str) -> None:
    title, author, chapter = f"x{title}", f"x{author}", f"x{chapter}"
    files = pages(manuscript(row("A.", chapter_title=chapter), title=title, author=author))
    for element, given_words in (
        (files["title.xhtml"].find(f".//{XHTML}h1"), title),
        (files["title.xhtml"].find(f".//{XHTML}p"), author),
        (files["chapter-0001.xhtml"].find(f".//{XHTML}h1"), chapter),
        (files["package.opf"].find(f".//{DC}title"), title),
    ):
        assert words(element) == "".join(filter(is_document_character, given_words)).split()


@given(st.one_of(ANYTHING, MARKUP))
def test_any_text_is_well_formed_and_holds_nothing_foreign(text: str) -> None:
    body = parsed(text)
    for element in list(body.iter())[1:]:
        assert element.tag in ELEMENTS
        assert set(element.attrib) <= {"href", "start", "class", "style"}
        assert element.get("href", "http://").startswith(("http://", "https://", "mailto:"))
        assert element.tag != "a" or not element.findall(".//a")


@given(st.text("abzé字א &<>\"'{}$%;,.…“”—\U0001f469\u202e", max_size=200))
def test_words_without_markup_are_kept_as_they_are(text: str) -> None:
    line = f"x {text} x"
    assert words(parsed(line)) == line.split()


@pytest.mark.parametrize(
    ("markdown", "xhtml"),
    [
        ("*a* **b** ~~c~~ `d`", "<p><em>a</em> <strong>b</strong> <s>c</s> <code>d</code></p>"),
        ("“a” \"b\" 'c' -- ...", "<p>“a” \"b\" 'c' -- ...</p>"),
        ("<b>raw</b>", "<p>&lt;b&gt;raw&lt;/b&gt;</p>"),
        ("a  \nb", "<p>a<br />\nb</p>"),
        ("# a\n\n### b", "<h2>a</h2>\n<h4>b</h4>"),
        ("###### a", "<h6>a</h6>"),
        ("[a *b*](javascript:x) c", "<p>a <em>b</em> c</p>"),
        ("[a](http://e.org/?b=1&c=%20)", '<p><a href="http://e.org/?b=1&amp;c=%20">a</a></p>'),
        ('[a](http://e.org "words nobody sees")', '<p><a href="http://e.org">a</a></p>'),
        ("[a](relative.html) [b](http://) [c](http://e.org:port/)", "<p>a b c</p>"),
        ("<a@e.org>", '<p><a href="mailto:a@e.org">a@e.org</a></p>'),
        ("[a <http://in.org> b](http://e.org)", '<p><a href="http://e.org">a http://in.org b</a></p>'),
        ("![a *b* ![c](d)](http://e.org/f.png)", "<p>a b c</p>"),
        ("> " * 30 + "a\n\nb & c", "<p>" + "&gt; " * 30 + "a</p>\n<p>b &amp; c</p>"),
        ("![a](b) & c", "<p>a &amp; c</p>"),
    ],
)
def test_markdown_becomes_plain_xhtml(markdown: str, xhtml: str) -> None:
    assert fragment(read([markdown]), below=1) == xhtml + "\n"


def test_the_words_of_a_book_can_be_counted_again_in_its_file() -> None:
    book = manuscript(*(row("Salt and water, “counted” twice.\n\n— Yes.", chapter=n, position=n) for n in range(1, 9)))
    files = pages(book)
    shown = sum(
        len(words(paragraph))
        for name, page in files.items()
        if name.startswith("chapter-")
        for paragraph in page.findall(f".//{XHTML}section/{XHTML}p")
    )
    assert shown == book.words == 8 * 7


def test_emphasis_is_not_nested_without_end() -> None:
    body = parsed("*a **b " * 500 + "c" + " b** a*" * 500)
    assert words(body) == ["a", "b"] * 500 + ["c"] + ["b", "a"] * 500
    assert not body.findall("./" + "/*" * 22)
