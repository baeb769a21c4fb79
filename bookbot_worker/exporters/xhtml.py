"""Blocks as XHTML: the elements of a page, for EPUB and HTML alike.

Owns the markup and its escaping. It makes no pages; what it writes is well-formed XML, and HTML too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from bookbot_worker.exporters.blocks import (
    Block,
    Break,
    Code,
    Content,
    Emphasis,
    Heading,
    Inline,
    Link,
    Listing,
    Note,
    NoteMark,
    Paragraph,
    Picture,
    Preformatted,
    Quote,
    Rule,
    Strike,
    Strong,
    Table,
    Text,
)

SCENE_BREAK = '<hr class="scene-break" />\n'

_LOWEST_HEADING = 6
_SPANS: dict[type[Emphasis | Strong | Strike], str] = {Emphasis: "em", Strong: "strong", Strike: "s"}


def attribute(text: str) -> str:
    """`text` as the value of an attribute in double quotes, or as the content of an element."""
    return escape(text, quote=True)


def shown(text: str) -> str:
    """`text` as the content of an element."""
    return escape(text, quote=False)


def fragment(content: Content, *, below: int, prefix: str = "", is_epub: bool = False) -> str:
    """The elements for a content: its scenes with breaks between them, then its notes; ends with a line feed.

    `below` is the level of the heading they stand under: with 1, a Heading of level 1 becomes an h2. `prefix` makes
    the ids of notes unique in a page of several chapters; `is_epub` names them in EPUB's own vocabulary too.
    """
    drawing = _Drawing(below, prefix, is_epub)
    scenes = SCENE_BREAK.join(drawing.blocks(scene) for scene in content.scenes if scene)
    if not content.notes:
        return scenes
    notes = "".join(drawing.note(note) for note in content.notes)
    return f'{scenes}<section class="notes">\n{notes}</section>\n'


@dataclass(slots=True)
class _Drawing:
    """Draws one content; it remembers which notes have been referred to, for their ids."""

    below: int
    prefix: str
    is_epub: bool
    marked: set[int] = field(default_factory=set)

    def blocks(self, blocks: Sequence[Block]) -> str:
        return "".join(part for block in blocks for part in self._block(block))

    def note(self, note: Note) -> str:
        """The note, with a link back to its first mark."""
        kind = 'epub:type="footnote" ' if self.is_epub else ""
        ident = f"{self.prefix}note-{note.number}"
        back = f'<a class="back" role="doc-backlink" href="#{self.prefix}mark-{note.number}">{note.number}</a>'
        return f'<aside {kind}role="doc-footnote" id="{ident}">\n<p>{back}</p>\n{self.blocks(note.blocks)}</aside>\n'

    def _block(self, block: Block) -> Iterator[str]:
        match block:
            case Paragraph(children):
                yield f"<p>{self._inlines(children)}</p>\n"
            case Heading(level, children):
                name = f"h{min(level + self.below, _LOWEST_HEADING)}"
                yield f"<{name}>{self._inlines(children)}</{name}>\n"
            case Quote(blocks):
                yield f"<blockquote>\n{self.blocks(blocks)}</blockquote>\n"
            case Listing():
                yield self._listing(block)
            case Table():
                yield from self._table(block)
            case Preformatted(words):
                yield f"<pre><code>{shown(words)}</code></pre>\n"
            case Rule():
                yield '<hr class="rule" />\n'

    def _listing(self, listing: Listing) -> str:
        name = "ul" if listing.start is None else "ol"
        start = f' start="{listing.start}"' if listing.start not in (None, 1) else ""
        items = "".join(f"<li>{self._item(item, is_tight=listing.is_tight)}</li>\n" for item in listing.items)
        return f"<{name}{start}>\n{items}</{name}>\n"

    def _item(self, blocks: Sequence[Block], *, is_tight: bool) -> str:
        return "".join(
            f"{self._inlines(block.children)}\n" if is_tight and isinstance(block, Paragraph) else self.blocks([block])
            for block in blocks
        ).removesuffix("\n")

    def _table(self, table: Table) -> Iterator[str]:
        yield f'<div class="table">\n<table>\n<thead>\n{self._row("th", table, table.header)}</thead>\n'
        if table.rows:
            yield f"<tbody>\n{''.join(self._row('td', table, row) for row in table.rows)}</tbody>\n"
        yield "</table>\n</div>\n"

    def _row(self, name: str, table: Table, cells: Sequence[tuple[Inline, ...]]) -> str:
        looks = [f' class="{align}"' if align else "" for align in table.align]
        drawn = [f"<{name}{look}>{self._inlines(cell)}</{name}>" for look, cell in zip(looks, cells, strict=True)]
        return f"<tr>{''.join(drawn)}</tr>\n"

    def _inlines(self, children: Sequence[Inline]) -> str:
        return "".join(map(self._inline, children))

    def _inline(self, inline: Inline) -> str:
        match inline:
            case Text(words) | Picture(_, words):
                return shown(words)
            case Emphasis(children) | Strong(children) | Strike(children):
                name = _SPANS[type(inline)]
                return f"<{name}>{self._inlines(children)}</{name}>"
            case Code(words):
                return f"<code>{shown(words)}</code>"
            case Link(target, children):
                return f'<a href="{attribute(target)}">{self._inlines(children)}</a>'
            case Break():
                return "<br />\n"
            case NoteMark(number):
                return self._mark(number)

    def _mark(self, number: int) -> str:
        ident = "" if number in self.marked else f' id="{self.prefix}mark-{number}"'
        self.marked.add(number)
        kind = 'epub:type="noteref" ' if self.is_epub else ""
        return f'<sup><a {kind}role="doc-noteref" href="#{self.prefix}note-{number}"{ident}>{number}</a></sup>'
