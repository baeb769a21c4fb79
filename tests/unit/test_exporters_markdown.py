"""The Markdown file: its frame, its escaping, and that no scene reaches beyond itself."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bookbot_worker.exporters import FORMATS
from bookbot_worker.exporters.markdown import enclosed, escaped
from bookbot_worker.exporters.words import one_line, printable
from tests.unit.test_exporters_hostile import HOSTILE_TEXTS, HOSTILE_TITLES, manuscript, quiet, row

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
    "  ```",
    "1. one",
    "[ref]: x",
    "| a |",
    "|---|",
]


def test_the_file_reads_as_title_author_chapters_and_colophon() -> None:
    book = manuscript(
        row("It *began*.", chapter_title="The Weight of Salt"),
        row("It went on.", position=2, chapter_title="The Weight of Salt"),
        row("It ended.\n", chapter=2, position=3),
    )
    assert FORMATS["markdown"].render(book, quiet).decode() == (
        "# The Salt Ledger\n\nby Ana Ferreira\n\n"
        "## The Weight of Salt\n\nIt *began*.\n\n* * *\n\nIt went on.\n\n"
        "## Chapter 2\n\nIt ended.\n\n"
        "## Colophon\n\nThis book was made with BookBot.\n"
    )


def test_a_book_without_an_author_has_no_author_line() -> None:
    assert "by " not in FORMATS["markdown"].render(manuscript(row("A."), author=" "), quiet).decode()


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=lambda title: ascii(title)[:30])
def test_a_hostile_title_is_only_words(title: str) -> None:
    assert_is_words(title)


@given(st.text(st.characters(exclude_categories=())))
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
    ],
)
def test_a_title_is_escaped_only_where_it_must_be(title: str, source: str) -> None:
    assert escaped(title) == source


def assert_is_words(title: str) -> None:
    line = one_line(title) or "x"
    opening, inline, closing = COMMONMARK.parse(f"# {escaped(line)}")
    assert (opening.type, closing.type) == ("heading_open", "heading_close")
    assert {token.type for token in inline.children} == {"text"}
    assert "".join(token.content for token in inline.children).split() == line.split()


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text)[:30])
def test_hostile_text_ends_with_its_scene(text: str) -> None:
    assert_is_enclosed(text)


@example("```\n```\n")
@example("```\n```\n\n")
@example("```\n\n")
@example("```")
@given(st.lists(st.sampled_from(LINES), min_size=1).map("\n".join))
def test_any_text_ends_with_its_scene(text: str) -> None:
    assert_is_enclosed(text)


def assert_is_enclosed(text: str) -> None:
    tokens = COMMONMARK.parse(f"{enclosed(printable(text))}\n\n* * *\n\nnext")
    assert [token.type for token in tokens[-4:]] == ["hr", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[-2].content == "next"
    headings = [token for token in tokens if token.type == "heading_open" and token.level == 0]
    assert all(token.tag in ("h3", "h4", "h5", "h6") for token in headings)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Plain *text* — “as it is” <b>here</b>.", "Plain *text* — “as it is” <b>here</b>."),
        ("# One\n\n###### Six", "### One\n\n###### Six"),
        ("Two\nlines #\n===", "### Two lines # ###\n\n"),
        ("```\nopen", "```\nopen\n```"),
        ("~~~~\nopen\n~~~", "~~~~\nopen\n~~~\n~~~~"),
        ("```\n```", "```\n```"),
        ("<!-- open", "<!-- open\n-->"),
        ("<script>\nopen", "<script>\nopen\n</pre>"),
        ("[a]: b", "[a]: b"),
        ("> " * 20 + "a-b\n# c\n1. d", "\\> " * 20 + "a-b\n\\# c\n1\\. d"),
    ],
)
def test_text_is_kept_but_for_headings_and_open_ends(text: str, kept: str) -> None:
    assert enclosed(text) == kept


def test_progress_is_told_after_every_chapter() -> None:
    told: list[tuple[int, int]] = []
    for exporter in FORMATS.values():
        exporter.render(manuscript(row("A."), row("B.", chapter=2, position=2)), lambda *step: told.append(step))
    assert told == [(1, 2), (2, 2)] * len(FORMATS)
