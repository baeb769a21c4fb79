"""The Markdown file: its frame, its escaping, and that everything in it reads back as what it was."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bookbot_worker.exporters import FORMATS
from bookbot_worker.exporters.blocks import visible
from bookbot_worker.exporters.markdown_body import Bodies
from bookbot_worker.exporters.markdown_text import escaped
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.reading import read
from bookbot_worker.exporters.words import one_line, printable
from tests.unit.test_exporters_hostile import HOSTILE_TEXTS, HOSTILE_TITLES, exported, manuscript, row

pytestmark = pytest.mark.unit

COMMONMARK = MarkdownIt("commonmark").enable(["table", "strikethrough"])
LINES = [
    "A line of prose.",
    "",
    "    indented",
    "```",
    "~~~~ info",
    "# Heading",
    "### Deeper #",
    "Setext",
    "===",
    "---",
    "* * *",
    "<!--",
    "-->",
    "<pre>",
    "</PRE>",
    "<div>",
    "<?",
    "<![CDATA[",
    "<!DOCTYPE",
    "> quote",
    "- item",
    "+ item",
    "  ```",
    "1. one",
    "2) two",
    "[ref]: x",
    "| a |",
    "|---|",
    "text[^a] more![^b]",
    "[^a]: a note",
    "    [^b]: in a note[^a]",
    "![p](http://e.org/p.png) ***both*** *a*b",
]
PIECES = """[ ]( ) ![ < > ` * _ ~~ | # & &lt; a ! http://a.b/c?d=e&f javascript:x "t" \\ --- |-| 1. ``` <b> ]: - + **
*** <http://e.org> <a@e.org> [^a] [^a]: (x) = :-:"""
MARKUP = st.lists(st.sampled_from([*PIECES.split(), " ", "  ", "\n", "\n\n", "\n    "]), max_size=40).map("".join)


def test_the_file_reads_as_title_author_chapters_and_colophon() -> None:
    book = manuscript(
        row("It *began*.[^1]\n\n[^1]: Here.", chapter_title="The Weight of Salt"),
        row("It went on.", position=2, chapter_title="The Weight of Salt"),
        row("It ended.[^x]\n\n***\n\n[^x]: There.", chapter=2, position=3),
    )
    assert exported(book, "markdown").decode() == (
        "# The Salt Ledger\n\nby Ana Ferreira\n\n"
        "## The Weight of Salt\n\nIt *began*.[^1]\n\n* * *\n\nIt went on.\n\n[^1]: Here.\n\n"
        "## Chapter 2\n\nIt ended.[^2]\n\n___\n\n[^2]: There.\n\n"
        "## Colophon\n\nThis book was made with BookBot.\n"
    )


def test_chapters_stand_below_their_parts_and_sections_around_them() -> None:
    book = manuscript(
        row("For A.", position=0, matter="front", chapter=None, title=""),
        row("One.", chapter_title="Low", part_title="First"),
        row("# A letter\n\nTwo.", chapter=2, position=2, chapter_title="High", part_title="Second"),
        row("Thanks.", position=9, matter="back", title="Thanks"),
    )
    text = exported(book, "markdown").decode().removeprefix("# The Salt Ledger\n\nby Ana Ferreira\n\n")
    assert text.split("\n\n")[:-2] == [
        "For A.",
        *("## First", "### Low", "One."),
        *("## Second", "### High", "#### A letter", "Two."),
        *("## Thanks", "Thanks."),
    ]


def test_a_book_without_an_author_has_no_author_line() -> None:
    assert "by " not in exported(manuscript(row("A."), author=" "), "markdown").decode()


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=lambda title: ascii(title)[:30])
def test_a_hostile_title_is_only_words(title: str) -> None:
    assert_is_words(title)


@given(st.one_of(st.text(st.characters(exclude_categories=())), MARKUP))
def test_any_title_is_only_words(title: str) -> None:
    assert_is_words(title)


@pytest.mark.parametrize(
    ("title", "source"),
    [
        ("Salt & Water", "Salt & Water"),
        ("C# minor", "C# minor"),
        ("F #", r"F \#"),
        ("&amp;", r"\&amp;"),
        ("*a*", r"\*a\*"),
        ("1. One", r"1\. One"),
        ("https://e.org/a_b www.e.org 1:2", r"https\://e.org/a\_b www\.e.org 1:2"),
    ],
)
def test_a_title_is_escaped_only_where_it_must_be(title: str, source: str) -> None:
    assert escaped(title) == source


def assert_is_words(title: str) -> None:
    """As a heading and as a paragraph of its own."""
    line = one_line(title) or "x"
    for prefix in ("# ", ""):
        _, inline, closing = COMMONMARK.parse(prefix + escaped(line))
        assert closing.type == ("heading_close" if prefix else "paragraph_close")
        assert {token.type for token in inline.children} == {"text"}
        assert "".join(token.content for token in inline.children).split() == line.split()


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text)[:30])
def test_hostile_text_keeps_its_words_and_its_place(text: str) -> None:
    assert_is_enclosed(text)


@example("```\n```\n")
@example("```\n\n")
@given(st.one_of(st.lists(st.sampled_from(LINES), min_size=1, max_size=12).map("\n".join), MARKUP))
def test_any_text_keeps_its_words_and_its_place(text: str) -> None:
    assert_is_enclosed(text)


def assert_is_enclosed(text: str) -> None:
    """The words are those of the source, raw HTML is words, and what follows is not swallowed."""
    content = read([printable(text), "next"])
    body = Bodies().body(content, below=2)
    assert visible(read([body])).split() == visible(content).split()
    tokens = COMMONMARK.parse(body)
    assert not {"html_block", "html_inline"} & {t.type for token in tokens for t in (token, *(token.children or ()))}
    assert "next" in [token.content for token in tokens if token.type == "inline" and token.level == 1]
    headings = [token for token in tokens if token.type == "heading_open"]
    assert all(token.tag in ("h3", "h4", "h5", "h6") for token in headings)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Plain *text* — “as it is”, snake_case!", "Plain *text* — “as it is”, snake\\_case!"),
        ("<b>here</b> @name #import {{x}} $HOME", "\\<b\\>here\\</b\\> @name #import {{x}} $HOME"),
        ("# One\n\n###### Six", "### One\n\n###### Six"),
        ("Two\nlines #\n===", "### Two lines \\#"),
        ("~~~~\nopen\n```\n~~~", "````\nopen\n```\n~~~\n````"),
        ("<!-- open", "\\<!-- open"),
        ("***", "___"),
        ("***a***", "***a***"),
        ("**_a_** b*c*d **e *f***", "**_a_** b*c*d **e _f_**"),
        ("**a*b***", "**a*b***"),
        ("a![^1]: b\n\n[^1]: c\n\n    d", "a\\![^1]\\: b\n\n[^1]: c\n\n    d"),
        ("![a [b](c)](http://e.org/f.png) ![d](e.png)", "![a b](http://e.org/f.png) d"),
        ("*![a](b.png)* | ![c](file:///d)\n\n|![e](f)|\n|-|", "*a* \\| c\n\n| e |\n| --- |"),
        ("~~a~~~~b~~", "~~ab~~"),
        ("[a](<http://e.org/(b>)!", "[a](<http://e.org/(b>)!"),
        ("- a\n- b\n\n\n* c", "- a\n- b\n\n+ c"),
        ("3. a\n\n   b\n4. c", "3. a\n\n   b\n\n4. c"),
        ("| a | b |\n|:-:|--:|\n| `x\\|y` | |", "| a | b |\n| :-: | --: |\n| `x\\|y` |  |"),
        ("> a\n>\n> > b", "> a\n>\n> > b"),
        ("> " * 20 + "a-b", "\\> " * 20 + "a-b"),
    ],
)
def test_text_is_spelled_as_it_was_meant(text: str, kept: str) -> None:
    assert Bodies().body(read([text]), below=2) == kept
    assert Bodies().body(read([kept]), below=0) == kept


SANE = [
    "A *line* of **prose**, with `code`, ~~struck~~ and a [link](https://e.org/a?b=c).",
    "“Quoted,” she said – and\nwent on.  \nShe did.",
    "### A heading",
    "> A *quotation*\n>\n> of two paragraphs",
    "- one\n- two\n  1. three\n  2. four",
    "7. seven\n\n   and more\n8. eight",
    "| a | *b* |\n|---|:-:|\n| 1 | `x` |",
    "```\n  kept <as> it is\n\n```",
    "* * *",
    "A word[^1] and ***another***[^2]![^1]",
    "![A map](https://e.org/map.png) * not a list",
    "1986\\. A year, snake_case, 2 < 3 & 4 > 3, #hash, @name, {{ tag }}, $x$",
]
NOTES = "[^1]: The *first*.\n\n    Its second paragraph.\n\n[^2]: > quoted"


@given(st.lists(st.sampled_from(SANE), min_size=1, max_size=6))
def test_what_people_write_reads_back_as_the_same_tree(blocks: list[str]) -> None:
    content = read(["\n\n".join([*blocks, SANE[-3], NOTES])])
    body = Bodies().body(content, below=0)
    assert read([body]) == content
    assert Bodies().body(read([body]), below=0) == body


def test_progress_is_told_after_every_chapter() -> None:
    told: list[tuple[float, str]] = []
    book = manuscript(row("A."), row("B.", chapter=2, position=2))
    for name in ("epub", "html", "markdown"):
        FORMATS[name].load()(book, ExportOptions(), lambda *step: told.append(step))
    assert told == [(0.5, "chapter 1 of 2"), (1.0, "chapter 2 of 2")] * 3
