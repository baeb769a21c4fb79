"""Blocks as paragraphs of WordprocessingML, each with a named style that a publisher can change in one place.

Owns which style a block has, and the lists' numbering. What the styles look like is said in styles.xml.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bookbot_worker.exporters.blocks import (
    Block,
    Content,
    Heading,
    Inline,
    Listing,
    Note,
    Paragraph,
    Preformatted,
    Quote,
    Rule,
    Table,
    plain,
)
from bookbot_worker.exporters.docx.runs import Links, Runs, lines, run
from bookbot_worker.exporters.narrow import as_lines, is_too_wide

BULLETS, NUMBERS = 1, 2
"""The two kinds of lists of numbering.xml (abstractNum)."""

SCENE_BREAK = "* * *"

_NOTE = "FootnoteText"
_DEEPEST_LEVEL = 8
_LOWEST_HEADING = 6
_HIGHEST_START = 32_767  # Word counts no further
_INDENT = 360  # twentieths of a point, as all lengths in a DOCX


def paragraph(style: str, runs: str, properties: str = "") -> str:
    """A paragraph of a style; `properties` are in the order of the schema, after the style."""
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{properties}</w:pPr>{runs}</w:p>'


@dataclass(slots=True)
class Lists:
    """The lists of the file: of each its kind and its first number. Every list counts for itself."""

    found: list[tuple[int, int]] = field(default_factory=list)

    def add(self, listing: Listing) -> int:
        """The id (numId) of a new list."""
        kind = BULLETS if listing.start is None else NUMBERS
        self.found.append((kind, 1 if listing.start is None else min(listing.start, _HIGHEST_START)))
        return len(self.found)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a block stands: in how many lists, and how far from the margin."""

    level: int = -1
    indent: int = 0
    style: str = ""


@dataclass(slots=True)
class Body:
    """Draws the texts of a file, one after another; it remembers their notes, lists and links.

    `below` is the level of a chapter's heading; in a mirrored book tables begin on the right.
    """

    below: int
    is_mirrored: bool
    links: Links = field(default_factory=Links)
    note_links: Links = field(default_factory=Links)
    lists: Lists = field(default_factory=Lists)
    notes: list[str] = field(default_factory=list)
    runs: Runs = field(default_factory=lambda: Runs(Links()))
    is_first: bool = True

    def content(self, content: Content, style: str = "") -> str:
        """The paragraphs of a chapter, of their usual styles or one other; its notes go to `notes`."""
        self.runs = Runs(self.links, first_note=len(self.notes) + 1)
        drawn: list[str] = []
        for scene in content.scenes:
            self.is_first = True
            inside = "".join(self._blocks(scene, _Place(style=style)))
            if inside and drawn:
                drawn.append(paragraph("SceneBreak", run(SCENE_BREAK)))
            drawn += [inside] if inside else []
        for note in content.notes:
            self._note(note)
        return "".join(drawn)

    def _note(self, note: Note) -> None:
        number = len(self.notes) + 1
        self.runs = Runs(self.note_links)
        mark = '<w:r><w:rPr><w:rStyle w:val="FootnoteReference"/></w:rPr><w:footnoteRef/></w:r>' + run(" ")
        first, rest = (note.blocks[0], note.blocks[1:]) if note.blocks else (Paragraph(()), ())
        if not isinstance(first, Paragraph):
            first, rest = Paragraph(()), note.blocks
        lead = paragraph(_NOTE, mark + self.runs.draw(first.children))
        others = "".join(self._blocks(rest, _Place(style=_NOTE)))
        # A note must end with a paragraph, as a cell must.
        end = paragraph(_NOTE, "") if others.endswith("</w:tbl>") else ""
        self.notes.append(f'<w:footnote w:id="{number}">{lead}{others}{end}</w:footnote>')

    def _blocks(self, blocks: Sequence[Block], place: _Place) -> Iterator[str]:
        for before, block in zip((None, *blocks), blocks, strict=False):
            if isinstance(before, Table) and isinstance(block, Table):
                yield paragraph("TableText", "")  # else Word makes one table of the two
            yield from self._block(block, place)
            self.is_first = not isinstance(block, Paragraph)

    def _block(self, block: Block, place: _Place) -> Iterator[str]:
        match block:
            case Paragraph(children):
                if children:
                    style = place.style or ("FirstParagraph" if self.is_first else "BodyText")
                    yield self._paragraph(style, children, place)
            case Heading(level, children):
                if plain(children).strip():
                    yield self._paragraph(f"Heading{min(level + self.below, _LOWEST_HEADING)}", children, place)
            case Quote(blocks):
                yield from self._blocks(blocks, _quoted(place))
            case Listing():
                yield from self._listing(block, place)
            case Table() if is_too_wide(block):
                yield from self._blocks(list(as_lines(block)), place)
            case Table():
                yield self._table(block)
            case Preformatted(words):
                yield paragraph("Preformatted", lines(words), _indented(place.indent))
            case Rule():
                yield paragraph("Rule", "", _indented(place.indent))

    def _paragraph(self, style: str, children: Sequence[Inline], place: _Place) -> str:
        return paragraph(style, self.runs.draw(children), _indented(place.indent))

    def _listing(self, listing: Listing, place: _Place) -> Iterator[str]:
        number, level = self.lists.add(listing), min(place.level + 1, _DEEPEST_LEVEL)
        inner = _Place(level, _INDENT * (level + 2), "ListContinue")
        for item in listing.items:
            first, rest = (item[0], item[1:]) if item and isinstance(item[0], Paragraph) else (Paragraph(()), item)
            properties = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
            style = "ListBullet" if listing.start is None else "ListNumber"
            yield paragraph(style, self.runs.draw(first.children), properties)
            yield from self._blocks(rest, inner)

    def _table(self, table: Table) -> str:
        grid = "".join("<w:gridCol/>" for _ in table.align)
        rows = [self._row(table, table.header, is_header=True), *(self._row(table, row) for row in table.rows)]
        side = "<w:bidiVisual/>" if self.is_mirrored else ""
        looks = f'<w:tblStyle w:val="BookTable"/>{side}<w:tblW w:w="0" w:type="auto"/><w:jc w:val="center"/>'
        look = '<w:tblLook w:val="0020" w:firstRow="1" w:lastRow="0" w:firstColumn="0" w:lastColumn="0"/>'
        return f"<w:tbl><w:tblPr>{looks}{look}</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{''.join(rows)}</w:tbl>"

    def _row(self, table: Table, cells: Sequence[tuple[Inline, ...]], *, is_header: bool = False) -> str:
        repeated = "<w:trPr><w:tblHeader/></w:trPr>" if is_header else ""
        drawn = [
            '<w:tc><w:tcPr><w:tcW w:w="0" w:type="auto"/></w:tcPr>'
            + paragraph("TableText", self.runs.draw(cell), f'<w:jc w:val="{side}"/>' if side else "")
            + "</w:tc>"
            for side, cell in zip(table.align, cells, strict=True)
        ]
        return f"<w:tr>{repeated}{''.join(drawn)}</w:tr>"


def _quoted(place: _Place) -> _Place:
    """Inside a quotation; one in a note keeps the note's style, one in another stands further in."""
    is_indented = place.style in ("Quote", _NOTE, "ListContinue")
    style = _NOTE if place.style == _NOTE else "Quote"
    return _Place(place.level, place.indent + (_INDENT if is_indented else 0), style)


def _indented(by: int) -> str:
    return f'<w:ind w:left="{by}" w:firstLine="0"/>' if by else ""
