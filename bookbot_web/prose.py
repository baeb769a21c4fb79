"""A text of a book as HTML: CommonMark of which only the known elements are left. Whatever it says, it stays words.

Owns what may come out: no raw HTML, no pictures, links to http and https alone, which tell the other site nothing. The
parser is quick on what people write and slow on what spiteful people write, so it reads no more than LONGEST
characters; a longer text is shown as its paragraphs, marks and all.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

LONGEST = 200_000
"""Characters that are read as Markdown: a scene of 30,000 words."""

MOST_LINES = 6_000
MOST_LINES_OF_PARAGRAPH = 1_000
MOST_MARKS = 5_000
MOST_MARKS_OF_PARAGRAPH = 600
"""What is searched in squares: more than these nobody writes."""

MAX_DEPTH = 20

_ADDRESS = re.compile(r"https?://[^\s/]", re.IGNORECASE)
_BLANK = re.compile(r"\n[ \t]*\n\s*")
_MARK = re.compile(r"[\[\]*_~`<&\\]|^[ \t]*[>+\-\d]", re.MULTILINE)


def as_prose(text: str, *, heading: int = 2) -> Markup:
    """`text` (Markdown) as HTML. Its headings begin at the level `heading`, below those of the page."""
    if is_read_as_marks(text):
        reader, values = _reader(), {"heading": heading}
        tokens = reader.parse(text, values)
        if all(token.level < MAX_DEPTH - 1 for token in tokens):  # what stands deeper, the parser drops
            return Markup(reader.renderer.render(tokens, reader.options, values))  # noqa: S704 - known elements alone
    return Markup("\n").join(Markup("<p>{}</p>").format(block) for block in _BLANK.split(text) if block.strip())


def is_read_as_marks(text: str) -> bool:
    """Whether `as_prose` reads the marks of `text`, or shows them as they are."""
    if len(text) > LONGEST or text.count("\n") > MOST_LINES:
        return False
    blocks = _BLANK.split(text)
    marks = [len(_MARK.findall(block)) for block in blocks]
    lines = max(block.count("\n") for block in blocks)
    return sum(marks) <= MOST_MARKS and max(marks) <= MOST_MARKS_OF_PARAGRAPH and lines <= MOST_LINES_OF_PARAGRAPH


class _Reader(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's hook
        return _ADDRESS.match(url) is not None


class _Renderer(RendererHTML):
    def heading_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        tokens[index].tag = _below(tokens[index].tag, env["heading"])
        return self.renderToken(tokens, index, options, env)

    def heading_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        tokens[index].tag = _below(tokens[index].tag, env["heading"])
        return self.renderToken(tokens, index, options, env)

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        tokens[index].attrs = {"href": tokens[index].attrs["href"], "rel": "noopener noreferrer nofollow"}
        return self.renderToken(tokens, index, options, env)

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """A picture is its words."""
        return str(escape(self.renderInlineAsText(tokens[index].children, options, env)))

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:  # noqa: ARG002
        """Without the class that names its language."""
        return str(Markup("<pre><code>{}</code></pre>\n").format(tokens[index].content))


def _below(tag: str, heading: int) -> str:
    return f"h{min(6, int(tag[1]) - 1 + heading)}"


@lru_cache
def _reader() -> MarkdownIt:
    return _Reader("commonmark", {"html": False, "maxNesting": MAX_DEPTH}, renderer_cls=_Renderer).enable(
        ["strikethrough"]
    )
