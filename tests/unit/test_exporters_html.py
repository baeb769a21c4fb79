"""The HTML file: one file that needs and runs nothing, and the words of the book in every format."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_worker.exporters.blocks import visible
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from shared.covers import cover_of
from tests.support.pictures import png
from tests.support.rereading import words_of_epub, words_of_html, words_of_markdown
from tests.unit.test_exporters_hostile import HOSTILE_TEXTS, HOSTILE_TITLES, exported, manuscript, row, words
from tests.unit.test_exporters_markdown import MARKUP

pytestmark = pytest.mark.unit

VOID = {"br", "hr", "img", "meta"}
READERS = {"epub": words_of_epub, "html": words_of_html, "markdown": words_of_markdown}
NOTES = "A tide[^1] and another.[^tide][^1]\n\n[^1]: The first.\n\n    And *more*.\n[^tide]: The | second."


class Names(HTMLParser):
    """What a browser's parser opens, and every address."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("href", "src", "action", "style")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def parsed(content: bytes) -> Names:
    names = Names()
    names.feed(content.decode())
    return names


def hostile_book() -> Manuscript:
    scenes = [row(text, chapter=n, position=n) for n, text in enumerate(HOSTILE_TEXTS, 1)]
    titled = [row("x", chapter=90 + n, position=90 + n, chapter_title=title) for n, title in enumerate(HOSTILE_TITLES)]
    return manuscript(*scenes, *titled, title="".join(HOSTILE_TITLES[:-1]), author=HOSTILE_TITLES[0])


def test_the_page_says_title_author_contents_chapters_and_colophon() -> None:
    book = manuscript(
        row("One.", chapter_title="Low Water", part_title="The Bay"),
        row("# A letter\n\nTwo.", chapter=2, position=2, chapter_title="High Water", part_title="The Sea"),
        row("For A.", position=0, matter="front", title=""),
        row("Thanks.", position=9, matter="back", title="Thanks"),
    )
    page = exported(book, "html", ExportOptions(font="sans", is_draft=True)).decode()
    root = ET.fromstring(page)  # noqa: S314 - made a line above
    headings = [
        (element.tag, "".join(element.itertext())) for element in root.iter() if re.fullmatch("h[1-6]", element.tag)
    ]
    assert headings == [
        ("h1", "The Salt Ledger"),
        ("h2", "Contents"),
        *(("h2", "The Bay"), ("h3", "Low Water"), ("h2", "The Sea"), ("h3", "High Water"), ("h4", "A letter")),
        ("h2", "Thanks"),
    ]
    targets = [link.get("href") for link in root.iter("a")]
    assert targets == ["#part-1", "#chapter-1", "#part-2", "#chapter-2", "#back-1"]
    assert {target[1:] for target in targets if target} <= {element.get("id") for element in root.iter()}
    assert 'data-draft="Draft"' in page


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    cover = cover_of(png(60, 90))
    names = parsed(exported(hostile_book(), "html", ExportOptions(cover=cover)))
    assert {"script", "iframe", "link", "object", "form", "base", "svg"}.isdisjoint(names.tags)
    links = [address for address in names.addresses if not address.startswith(("#", "https://", "mailto:"))]
    assert [link[:22] for link in links] == ["data:image/png;base64,"]
    style = exported(hostile_book(), "html").decode().partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_every_name_is_defined_once_and_only_void_elements_close_themselves() -> None:
    book = manuscript(row(NOTES), row(NOTES, position=2), row(NOTES, chapter=2, position=3))
    page = exported(book, "html").decode()
    idents = re.findall(r' id="([^"]+)"', page)
    assert len(idents) == len(set(idents))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(idents)
    assert set(re.findall(r"<([a-z0-9]+)[^<>]*/>", page)) <= VOID


@pytest.mark.parametrize(("language", "direction", "title"), [("ar", "rtl", "المحتويات"), ("pt-BR", "ltr", "Índice")])
def test_the_page_speaks_the_language_of_the_book(language: str, direction: str, title: str) -> None:
    root = ET.fromstring(exported(manuscript(row("A."), language=language), "html"))  # noqa: S314 - made here
    assert (root.get("lang"), root.get("dir")) == (language, direction)
    assert words(root.find(".//h2")) == title.split()


def assert_words_are_kept(name: str, book: Manuscript) -> None:
    source = [visible(chapter.read()).split() for chapter in book.chapters]
    assert READERS[name](exported(book, name)) == source


@pytest.mark.parametrize("name", READERS)
def test_a_hostile_book_has_the_words_of_its_source(name: str) -> None:
    assert_words_are_kept(name, hostile_book())


@pytest.mark.parametrize("name", READERS)
@given(text=st.one_of(st.text(st.characters(exclude_categories=()), max_size=200), MARKUP))
def test_any_book_has_the_words_of_its_source(name: str, text: str) -> None:
    assert_words_are_kept(name, manuscript(row(f"x {text}"), row(f"{NOTES}\n\n{text}", position=2)))


@pytest.mark.parametrize("name", READERS)
def test_notes_are_numbered_through_a_chapter_and_read_once(name: str) -> None:
    book = manuscript(row(NOTES), row(NOTES.replace("tide", "ebb"), position=2))
    assert [note.number for note in book.chapters[0].read().notes] == [1, 2, 3, 4]
    assert_words_are_kept(name, book)


@pytest.mark.parametrize("name", READERS)
def test_a_megabyte_and_five_thousand_scenes_keep_every_word(name: str) -> None:
    rows = [row(f"Scene {number}.", chapter=number // 10, position=number) for number in range(1, 5_000)]
    assert_words_are_kept(name, manuscript(*rows, row("salt & <water> " * 70_000, chapter=600, position=6_000)))


@pytest.mark.parametrize("name", READERS)
def test_the_words_are_near_the_count_of_the_source(name: str) -> None:
    book = manuscript(row("The tide had gone out. " * 100), row("She *counted* the boats.", chapter=2, position=2))
    assert sum(map(len, READERS[name](exported(book, name)))) == book.words == 504
