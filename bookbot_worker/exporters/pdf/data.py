"""What the template is told: the book as plain values that become JSON, words only as strings.

Owns their shape, which `book.typ` and `text.typ` read, the measures of a page, and where a long word may break. It
escapes nothing: a string in Typst's data is no markup.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bookbot_worker.exporters import Progress, chapter_progress
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
    plain,
)
from bookbot_worker.exporters.manuscript import Chapter, Manuscript, Section
from bookbot_worker.exporters.narrow import as_lines, is_too_wide
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.pdf.look import families, look
from bookbot_worker.exporters.words import is_right_to_left
from shared.covers import Cover

COVER_FILE = "cover"

_DEEPEST_HEADING = 6
# Deeper lists and quotations stand under their parents without further indentation: a page has no room for it, and
# Typst no patience.
_DEEPEST_BLOCK = 6
_RUNNING_LETTERS = 48
# Up to Thai, which like the scripts after it has its own rules for breaking lines.
_LONG_WORD = re.compile("[\x21-\u0dff]{31,}")
_BREAK_EVERY = 10
_SPACES = re.compile(r"[ \t\n]+")
_NAMES: dict[type[Emphasis | Strong | Strike], str] = {Emphasis: "emphasis", Strong: "strong", Strike: "strike"}
# A picture this much wider or higher than the page is shown whole, with margins; any other fills the page.
_CROPPED = 0.12

Value = list[Any] | str


def book_data(book: Manuscript, options: ExportOptions, progress: Progress) -> dict[str, Any]:
    """The whole book; `progress` is called after every chapter."""
    primary, *rest = book.language.split("-")
    total, done, parts = len(book.chapters), 0, []
    for part in book.parts:
        chapters = []
        for chapter in part.chapters:
            done += 1
            chapters.append(_chapter(chapter, f"chapter-{done}", level=2 if part.title else 1))
            progress(*chapter_progress(done, total))
        parts.append({"title": breakable(part.title), "title-size": _size(part.title, 2.2), "chapters": chapters})
    return {
        "title": breakable(book.title),
        "title-lines": _without_lonely_word(breakable(book.title)),
        "title-size": _size(book.title, 2.6),
        "running": _running(book.title),
        "author": breakable(book.author),
        "language": primary,
        "region": next((tag for tag in rest if len(tag) == 2 and tag.isalpha()), None),
        "rtl": is_right_to_left(book.language),
        "look": look(options, families(options.font, book.language)),
        "cover": _cover(options.cover, options, f"{book.terms.cover}: {book.title}") if options.cover else None,
        "draft": book.terms.draft if options.is_draft else "",
        "contents": book.terms.contents,
        "terms-language": book.terms.language,
        "front": [_section(section) for section in book.front],
        "parts": parts,
        "back": [_section(section) for section in book.back],
        "colophon": breakable(book.colophon),
    }


def breakable(words: str) -> str:
    """`words` on one line, single spaces, with invisible places to break inside what no line could hold."""
    return _LONG_WORD.sub(_with_breaks, _SPACES.sub(" ", words))


def _with_breaks(found: re.Match[str]) -> str:
    """Never before a combining mark, which belongs to the letter it follows."""
    pieces, since = [], 0
    for letter in found[0]:
        if since >= _BREAK_EVERY and not unicodedata.combining(letter):
            pieces.append("\u200b")
            since = 0
        pieces.append(letter)
        since += 1
    return "".join(pieces)


def _cover(cover: Cover, options: ExportOptions, words: str) -> dict[str, str]:
    ratio = (cover.width / cover.height) / (options.trim.width / options.trim.height)
    fit = "cover" if 1 - _CROPPED < ratio < 1 / (1 - _CROPPED) else "contain"
    return {"file": COVER_FILE, "format": cover.extension, "words": words, "fit": fit}


def _chapter(chapter: Chapter, mark: str, *, level: int) -> dict[str, Any]:
    return {**_unit(chapter.title, chapter.read(), level), "label": chapter.label, "mark": mark}


def _section(section: Section) -> dict[str, Any]:
    return _unit(section.title, section.read(), 1)


def _unit(title: str, content: Content, level: int) -> dict[str, Any]:
    return {
        "title": breakable(title),
        "title-size": _size(title, 1.75),
        "label": "",
        "running": _running(title),
        "content": _Contents(level).content(content),
    }


def _size(title: str, usual: float) -> float:
    """The size of a title, in the text's: long ones are smaller."""
    steps = ((40, 1.0), (90, 0.8), (200, 0.62))
    return usual * next((factor for letters, factor in steps if len(title) <= letters), 0.5)


def _without_lonely_word(title: str) -> str:
    """The last word of a long title does not stand alone on its line, if it is a short one."""
    first, space, last = title.rpartition(" ")
    return f"{first}\u00a0{last}" if space and " " in first and len(last) <= _BREAK_EVERY else title


def _running(title: str) -> str:
    """A title as a running head: one line."""
    return title if len(title) <= _RUNNING_LETTERS else title[:_RUNNING_LETTERS].rstrip() + "…"


@dataclass(slots=True)
class _Contents:
    """One content as values. No heading stands more than one level below the one before, as accessibility asks."""

    level: int
    marked: set[int] = field(default_factory=set)
    above: int = 0

    def content(self, content: Content) -> dict[str, Any]:
        """Its scenes, and the notes that are under them."""
        self.above = self.level
        scenes = [blocks for scene in content.scenes if (blocks := self._blocks(scene, 0))]
        return {"scenes": scenes, "notes": {str(note.number): self._blocks(note.blocks, 0) for note in content.notes}}

    def _blocks(self, blocks: Sequence[Block], depth: int) -> list[Value]:
        return [value for block in blocks for value in self._block(block, depth)]

    def _block(self, block: Block, depth: int) -> list[Value]:
        match block:
            case Paragraph(children):
                return [["paragraph", self._inlines(children)]] if children else []
            case Heading(level, children):
                return [self._heading(level, children)] if plain(children).strip() else []
            case Quote(blocks):
                inside = self._blocks(blocks, depth + 1)
                return inside if depth >= _DEEPEST_BLOCK else [["quote", inside]]
            case Listing():
                return self._listing(block, depth)
            case Table() if is_too_wide(block):
                return self._blocks(list(as_lines(block)), depth)
            case Table(align, header, rows):
                cells = [[self._inlines(cell) for cell in row] for row in (header, *rows)]
                return [["table", list(align), cells[0], cells[1:]]]
            case Preformatted(words):
                return [["preformatted", words]]
            case Rule():
                return [["rule"]]

    def _heading(self, level: int, children: Sequence[Inline]) -> Value:
        self.above = min(self.level + level, self.above + 1, _DEEPEST_HEADING)
        return ["heading", self.above, self._inlines(children)]

    def _listing(self, listing: Listing, depth: int) -> list[Value]:
        items = [self._blocks(item, depth + 1) for item in listing.items]
        if depth >= _DEEPEST_BLOCK:
            return [block for item in items for block in item]
        if listing.start is None:
            return [["bullets", listing.is_tight, items]]
        return [["numbers", listing.start, listing.is_tight, items]]

    def _inlines(self, children: Sequence[Inline]) -> list[Value]:
        return [self._inline(child) for child in children]

    def _inline(self, inline: Inline) -> Value:
        match inline:
            case Text(words) | Picture(_, words):
                return breakable(words)
            case Emphasis(children) | Strong(children) | Strike(children):
                return [_NAMES[type(inline)], self._inlines(children)]
            case Code(words):
                return ["code", breakable(words)]
            case Link(target, children):
                return ["link", target, self._inlines(children)]
            case Break():
                return ["break"]
            case NoteMark(number):
                kind = "note-again" if number in self.marked else "note"
                self.marked.add(number)
                return [kind, str(number)]
