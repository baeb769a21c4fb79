"""Markdown to XHTML: the text of a scene as elements of a page, whatever the text holds.

Owns the translation and its limits: raw HTML shows as words, links lead only to the web or a mailbox, pictures become
their descriptions, headings stay below the chapter's. It makes no pages and reads nothing from outside.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape

from markdown_it.token import Token

from bookbot_worker.exporters.commonmark import MAX_DEPTH, is_too_deep, parser

# Stricter than the URL standard: what EPUBCheck and every reader accept; anything else stays plain words.
_REST = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*"
_WEB = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?)*"
    rf"(?::[0-9]{{1,4}})?(?:/{_REST})?(?:\?{_REST})?(?:\#{_REST})?",
    re.IGNORECASE,
)
_MAIL = re.compile(r"mailto:[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+", re.IGNORECASE)
_LOWEST_HEADING = 6


_PARSER = parser()


def fragment(markdown: str, *, below: int) -> str:
    """The elements for `markdown` (printable text), well-formed, ending with a line feed.

    `below` is the level of the heading they stand under: with 1, a `#` in the text becomes an h2. Text whose lists
    and quotations are nested too deep to be read as Markdown is shown word for word.
    """
    tokens = _PARSER.parse(markdown)
    if is_too_deep(tokens):
        return "".join(f"<p>{attribute(part)}</p>\n" for part in markdown.split("\n\n") if part.strip())
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + below, _LOWEST_HEADING)}"
        if token.children:
            token.children = list(_safe(token.children))
    return str(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def attribute(text: str) -> str:
    """`text` as the value of an attribute in double quotes, or as the content of an element."""
    return escape(text, quote=True)


def _safe(tokens: Sequence[Token]) -> Iterator[Token]:
    """The inline tokens with pictures and refused links as words, no link inside a link, and no endless nesting."""
    open_tokens: list[Token | None] = []
    for token in tokens:
        if token.type == "image":
            yield Token("text", "", 0, content=_words(token.children or []))
        elif token.nesting == 1:
            is_kept = len(open_tokens) < MAX_DEPTH and (token.type != "link_open" or _is_link(token, open_tokens))
            open_tokens.append(token if is_kept else None)
            if is_kept:
                yield token
        elif token.nesting == 0 or open_tokens.pop():
            yield token


def _is_link(token: Token, around: Sequence[Token | None]) -> bool:
    """Whether a link stays one; nothing but its target is kept."""
    target = str(token.attrs.get("href", ""))
    token.attrs = {"href": target}
    is_allowed = _WEB.fullmatch(target) or _MAIL.fullmatch(target)
    return bool(is_allowed) and not any(outer and outer.type == "link_open" for outer in around)


def _words(tokens: Sequence[Token]) -> str:
    return "".join(
        _words(token.children or []) if token.type == "image" else " " if token.type == "softbreak" else token.content
        for token in tokens
    )
