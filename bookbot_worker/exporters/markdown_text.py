"""Blocks as Markdown that reads as the same blocks again, in any reader of CommonMark with tables and footnotes.

Owns the spelling and the escaping. Markdown has corners where no spelling gives a tree back (emphasis at the edge of
emphasis, the last space of a code span); whether a spelling does is for `markdown.py` to find out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bookbot_worker.exporters.blocks import (
    Block,
    Break,
    Code,
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

# The last two begin addresses that some readers make links of, together with the backslashes in them.
_MARKUP = re.compile(r"[\\`*_\[\]<>~|]|&(?=#?\w+;)|:(?=//)|(?<=www)\.", re.IGNORECASE)
# What would open a block at the beginning of a line: a list, a heading, an underline, the second row of a table.
_BLOCK_START = re.compile(r"^(\d{0,9})([-+=:#]|(?<=\d)[.)])(?=[-=:# \t]|$)", re.MULTILINE)
_LINE_EDGES = re.compile(r"[ \t]*\n[ \t]*")
_LAST_MARKS = re.compile(r"(?<!\\)#(?=#*$)")
_BACKTICKS = re.compile(r"`+")
_DELIMITERS = {"": "---", "left": ":--", "center": ":-:", "right": "--:"}


Mark = Literal["*", "_"]
# Three stars in a row may be read the other way round; an underline inside a word is none.
MARKS: tuple[tuple[Mark, Mark], ...] = (("*", "_"), ("*", "*"), ("_", "_"))


def escaped(line: str) -> str:
    """A line of plain words as Markdown that shows exactly these words, in a paragraph or a heading."""
    return _LAST_MARKS.sub(r"\\#", _BLOCK_START.sub(r"\1\\\2", _words(line)))


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write blocks. `emphasis` is its mark, `in_strong` that inside strong words.

    `first_note` is added to the numbers of notes.
    """

    emphasis: Mark = "*"
    in_strong: Mark = "_"
    first_note: int = 0

    def blocks(self, blocks: Sequence[Block], *, is_tight: bool = False) -> str:
        """The blocks with an empty line between them, or none in a tight list; without a last line feed."""
        return ("\n" if is_tight else "\n\n").join(self.pieces(blocks))

    def note(self, note: Note) -> str:
        """The definition of a note."""
        return f"[^{note.number + self.first_note}]: {_indented(self.blocks(note.blocks), 4)}"

    def pieces(self, blocks: Sequence[Block]) -> Iterator[str]:
        """The same, each block by itself."""
        # Two lists in a row would be read as one, if they had the same mark.
        marks, before = "-.", None
        for block in blocks:
            if isinstance(block, Listing):
                marks = "+)" if isinstance(before, Listing) and marks == "-." else "-."
            yield self._block(block, marks)
            before = block

    def _block(self, block: Block, marks: str) -> str:
        match block:
            case Paragraph(children):
                return _BLOCK_START.sub(r"\1\\\2", _LINE_EDGES.sub("\n", self._inlines(children)).strip(" \t\n"))
            case Heading(level, children):
                return f"{'#' * level} {self._heading(children)}".rstrip()
            case Quote(blocks):
                return "\n".join(f"> {line}".rstrip(" ") for line in self.blocks(blocks).split("\n"))
            case Listing():
                return self._listing(block, marks)
            case Table():
                return self._table(block)
            case Preformatted(words):
                fence = "`" * max(3, _longest_run(words) + 1)
                return f"{fence}\n{words}\n{fence}" if words else f"{fence}\n{fence}"
            case Rule():
                return "___"

    def _heading(self, children: Sequence[Inline]) -> str:
        words = " ".join(self._inlines(children).replace("\\\n", " ").split())
        return _LAST_MARKS.sub(r"\\#", words)

    def _listing(self, listing: Listing, marks: str) -> str:
        items = []
        for index, item in enumerate(listing.items):
            mark = marks[0] if listing.start is None else f"{listing.start + index}{marks[1]}"
            items.append(f"{mark} {_indented(self.blocks(item, is_tight=listing.is_tight), len(mark) + 1)}".rstrip())
        return ("\n" if listing.is_tight else "\n\n").join(items)

    def _table(self, table: Table) -> str:
        rows = [[self._cell(cell) for cell in row] for row in (table.header, *table.rows)]
        rows.insert(1, [_DELIMITERS[align] for align in table.align])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _cell(self, children: Sequence[Inline]) -> str:
        return self._inlines(children, in_table=True)

    def _inlines(self, children: Sequence[Inline], *, in_table: bool = False) -> str:
        parts = [self._inline(child, in_table=in_table) for child in children]
        for index, child in enumerate(children[1:]):
            if isinstance(child, Link | Picture | NoteMark) and parts[index].endswith("!"):
                parts[index] = f"{parts[index][:-1]}\\!"  # it would make a picture of the link
            if isinstance(children[index], NoteMark) and parts[index + 1].startswith(":"):
                parts[index + 1] = f"\\{parts[index + 1]}"  # it would define the note
        return "".join(parts)

    def _inline(self, inline: Inline, *, in_table: bool) -> str:
        match inline:
            case Text(words):
                return _words(words)
            case Emphasis(children):
                return f"{self.emphasis}{self._inlines(children, in_table=in_table)}{self.emphasis}"
            case Strong(children):
                inside = replace(self, emphasis=self.in_strong)
                return f"**{inside._inlines(children, in_table=in_table)}**"
            case Strike(children):
                return f"~~{self._inlines(children, in_table=in_table)}~~"
            case Code(words):
                return _code(words.replace("|", "\\|") if in_table else words)
            case Link(target, children):
                return f"[{self._inlines(children, in_table=in_table)}]({_target(target)})"
            case Picture(target, words):
                return f"![{_words(words)}]({_target(target)})"
            case Break():
                return "\\\n"
            case NoteMark(number):
                return f"[^{number + self.first_note}]"


def _words(words: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", words)


def _code(words: str) -> str:
    mark = "`" * (_longest_run(words) + 1)
    is_padded = words.startswith(("`", " ")) or words.endswith(("`", " "))
    return f"{mark} {words} {mark}" if is_padded and words.strip() else f"{mark}{words}{mark}"


def _longest_run(words: str) -> int:
    return max(map(len, _BACKTICKS.findall(words)), default=0)


def _target(target: str) -> str:
    """In angles where brackets could end it; an ampersand that begins an entity is one itself."""
    target = re.sub(r"&(?=#?\w+;)", "&amp;", target)
    return f"<{target}>" if "(" in target or ")" in target else target


def _indented(text: str, width: int) -> str:
    """Every line but the first moved in, empty lines excepted."""
    return re.sub(r"\n(?=[^\n])", "\n" + " " * width, text)
