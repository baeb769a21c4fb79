"""Texts of books as HTML: only known elements come out, whatever goes in, and no word is lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookbot_web.prose import LONGEST, MOST_MARKS_OF_PARAGRAPH, as_prose, is_read_as_marks

pytestmark = pytest.mark.unit

KNOWN = {
    "p", "em", "strong", "s", "a", "br", "hr", "blockquote", "ul", "ol", "li", "pre", "code", "h2", "h3", "h4", "h5",
    "h6",
}  # fmt: skip
PIECES = st.sampled_from(
    [
        "<script>", "</p>", "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "[a](https://host.example/x)",
        "![b](https://host.example/b.png)", "[c](//host.example)", "<https://host.example>", "<javascript:x>", "*", "_",
        "`", "# ", "> ", "- ", "1. ", "\n", "\n\n", "    ", "~~", "```html onload=x\n", '"', "'", "&lt;", "word",
        '[t](https://host.example "title")',
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40))
def test_only_known_elements_and_attributes_come_out(pieces: list[str]) -> None:
    html = str(as_prose("".join(pieces)))
    for name, attributes in re.findall(r"<\s*/?\s*([^\s>/]*)([^>]*)>", html):
        assert name in KNOWN, html
        assert set(re.findall(r"([\w-]+)=", re.sub(r'"[^"]*"', '""', attributes))) <= {"href", "rel", "start"}, html
    assert all(address.startswith("https://host.example") for address in re.findall(r'href="([^"]*)"', html))


def test_links_tell_the_other_site_nothing() -> None:
    html = str(as_prose("[a](https://host.example/x)"))
    assert html == '<p><a href="https://host.example/x" rel="noopener noreferrer nofollow">a</a></p>\n'


def test_a_picture_is_its_words() -> None:
    assert str(as_prose("![the <harbour>](https://host.example/b.png)")) == "<p>the &lt;harbour&gt;</p>\n"


def test_headings_stand_below_those_of_the_page() -> None:
    assert str(as_prose("# A", heading=3)) == "<h3>A</h3>\n"
    assert str(as_prose("###### A")) == "<h6>A</h6>\n"


@pytest.mark.parametrize(
    "text",
    [
        "word " * (LONGEST // 5 + 1),
        "[" * (MOST_MARKS_OF_PARAGRAPH + 1),
        "- a\n\n" * 6000,
        "a\n" * 5000,
        "*a_ " * 2000,
    ],
    ids=["long", "brackets", "list", "lines", "marks"],
)
def test_what_would_take_long_is_shown_as_it_is(text: str) -> None:
    assert not is_read_as_marks(text)
    html = str(as_prose(text + "<b>"))
    assert html.startswith("<p>")
    assert "&lt;b&gt;" in html


def test_what_is_nested_too_deep_is_not_lost() -> None:
    assert "the innermost" in str(as_prose(">" * 40 + " the innermost"))
