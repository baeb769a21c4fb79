"""Markdown files in another reader: cmark, with GitHub's tables, footnotes and links, and raw HTML let through."""

from html.parser import HTMLParser

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from hypothesis import example, given
from hypothesis import strategies as st

from bookbot_worker.exporters.blocks import visible
from bookbot_worker.exporters.markdown_body import Bodies
from bookbot_worker.exporters.reading import read
from bookbot_worker.exporters.words import printable
from tests.unit.test_exporters_hostile import HOSTILE_TEXTS
from tests.unit.test_exporters_markdown import LINES, MARKUP, SANE

pytestmark = pytest.mark.unit

LINE_BREAKING = {"p", "li", "td", "th", "pre", "blockquote", "br", "hr", "h3", "h4", "h5", "h6"}
ELEMENTS = LINE_BREAKING | {"ul", "ol", "table", "thead", "tbody", "tr", "code", "a", "img", "em", "strong", "del"}
OF_NOTES = {"sup", "section"}
# Where a strike touches emphasis, cmark shows some of the marks: it has a rule of its own for what is beside tildes.
PIECES = st.one_of(st.text(st.characters(exclude_categories=()), max_size=100), MARKUP).map(
    lambda text: text.replace("~~", "~")
)


class Page(HTMLParser):
    """The words of a page, without the numbers of notes and the arrows back from them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []
        self._unseen = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in LINE_BREAKING:
            self.words.append("\n")
        if tag == "img":
            self.words.append(dict(attrs).get("alt") or "")
        if tag == "sup" or "data-footnote-backref" in dict(attrs):
            self._unseen = self._unseen or tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = ""

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words.append(data)


@pytest.mark.parametrize(
    "text", [text for text in HOSTILE_TEXTS if len(text) < 50_000], ids=lambda text: ascii(text)[:30]
)
def test_hostile_text_is_the_same_words_to_others(text: str) -> None:
    assert_is_read_the_same(text)


@example("~~0~~~~0~~")
@given(st.one_of(PIECES, st.lists(st.sampled_from([*LINES, *SANE]), max_size=12).map("\n".join)))
def test_any_text_is_the_same_words_to_others(text: str) -> None:
    assert_is_read_the_same(text)


def assert_is_read_the_same(text: str) -> None:
    content = read([printable(text)])
    body = Bodies().body(content, below=2)
    page = Page()
    page.feed(github_flavored_markdown_to_html(body, Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES))
    page.close()
    assert "".join(page.words).split() == visible(content).split()
    assert page.tags <= ELEMENTS | OF_NOTES
