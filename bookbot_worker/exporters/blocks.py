"""The text of a book as a tree: blocks (paragraphs, lists, tables …) that hold inlines (words, emphasis, links …).

Owns the vocabulary every format draws, and which words of it can be seen. Nothing here knows Markdown or a format. All
strings are printable (see `words.py`) and mean themselves: a format escapes them, and has nothing else to fear.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Align = Literal["", "left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words, with single line feeds or spaces as they were written; never markup."""

    words: str


@dataclass(frozen=True, slots=True)
class Emphasis:
    """Set in italics."""

    children: tuple["Inline", ...]


@dataclass(frozen=True, slots=True)
class Strong:
    """Set in bold."""

    children: tuple["Inline", ...]


@dataclass(frozen=True, slots=True)
class Strike:
    """Struck through."""

    children: tuple["Inline", ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Set in a fixed width, on the line."""

    words: str


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to `target`: http, https or mailto, ASCII, without quotes or spaces. Never in another link."""

    target: str
    children: tuple["Inline", ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture by reference. No format loads `target`, which may be anything: `words` describe it, and are shown."""

    target: str
    words: str


@dataclass(frozen=True, slots=True)
class Break:
    """The line ends here."""


@dataclass(frozen=True, slots=True)
class NoteMark:
    """The raised number of a footnote; its text is the Note with this number in the same Content."""

    number: int


Inline = Text | Emphasis | Strong | Strike | Code | Link | Picture | Break | NoteMark


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph; it may be empty of words."""

    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a text. `level` counts from 1 under the title of what it stands in, to 6."""

    level: int
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """A quotation, a letter."""

    blocks: tuple["Block", ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list. `start` is the number of its first item, None for bullets; a tight list has no space between items."""

    start: int | None
    is_tight: bool
    items: tuple[tuple["Block", ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; every row has as many cells as `align`."""

    align: tuple[Align, ...]
    header: tuple[tuple[Inline, ...], ...]
    rows: tuple[tuple[tuple[Inline, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class Preformatted:
    """Lines kept as they are, in a fixed width; without a last line feed."""

    words: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across, inside a scene; scenes are separated by the formats, not by this."""


Block = Paragraph | Heading | Quote | Listing | Table | Preformatted | Rule


@dataclass(frozen=True, slots=True)
class Note:
    """A footnote: what stands under its number. It holds no NoteMark."""

    number: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """The scenes of a chapter (or a section's one text) in reading order, and their notes, numbered from 1."""

    scenes: tuple[tuple[Block, ...], ...]
    notes: tuple[Note, ...]


def visible(content: Content) -> str:
    """All words a reader sees, notes last, one line for each block; the marks of notes are left out."""
    blocks = [
        *(block for scene in content.scenes for block in scene),
        *(b for note in content.notes for b in note.blocks),
    ]
    return "\n".join(lines(blocks))


def plain(children: Sequence[Inline]) -> str:
    """The words of some inlines, without their looks."""
    return "".join(_words(child) for child in children)


def lines(blocks: Sequence[Block]) -> Iterator[str]:
    """The words of some blocks, paragraph by paragraph and cell by cell."""
    for block in blocks:
        match block:
            case Paragraph(children) | Heading(_, children):
                yield plain(children)
            case Quote(inner):
                yield from lines(inner)
            case Listing(items=items):
                for item in items:
                    yield from lines(item)
            case Table(header=header, rows=rows):
                yield from (plain(cell) for line in (header, *rows) for cell in line)
            case Preformatted(words):
                yield words
            case Rule():
                pass


def _words(inline: Inline) -> str:
    match inline:
        case Text(words) | Code(words) | Picture(_, words):
            return words
        case Emphasis(children) | Strong(children) | Strike(children) | Link(_, children):
            return plain(children)
        case Break():
            return "\n"
        case NoteMark():
            return ""
