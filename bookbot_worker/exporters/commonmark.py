"""Reading the Markdown of a scene: which dialect, and how deep.

Owns the parser's options. What becomes of the tokens is the business of `xhtml.py` and `markdown.py`.
"""

from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

# The parser drops what stands deeper than this, and all that follows it; prose needs five, recursion forbids hundreds.
MAX_DEPTH = 20


class _EveryLink(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802, ARG002 - the library's hook
        """Every link is parsed as one, so that a refused target leaves only the link's words."""
        return True


def parser() -> MarkdownIt:
    """CommonMark with tables, strikethrough and footnotes, without raw HTML. Quotes and dashes stay as written.

    Footnotes are left where they are defined; a mark without its definition is words.
    """
    reader = _EveryLink("commonmark", {"html": False, "maxNesting": MAX_DEPTH}).enable(["table", "strikethrough"])
    return reader.use(footnote_plugin, inline=False, move_to_end=False)


def block_parser() -> MarkdownIt:
    """Only the blocks, raw HTML among them, as the readers of a Markdown file will find them."""
    return MarkdownIt("commonmark", {"maxNesting": MAX_DEPTH}).disable("inline")


def is_too_deep(tokens: Iterable[Token]) -> bool:
    """Whether the blocks are nested so deep that the parser lost some of the text."""
    return any(token.nesting == 1 and token.level >= MAX_DEPTH - 1 for token in tokens)
