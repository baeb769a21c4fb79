"""What paper has no room for: tables of many columns become lines of words."""

from collections.abc import Iterator

from bookbot_worker.exporters.blocks import Inline, Paragraph, Table, Text

WIDEST_TABLE = 10
"""Columns that fit on a page of the smallest trim; Word itself takes no more than 63."""

_BETWEEN = Text(" | ")


def is_too_wide(table: Table) -> bool:
    """Whether the table is printed as lines."""
    return len(table.align) > WIDEST_TABLE


def as_lines(table: Table) -> Iterator[Paragraph]:
    """A paragraph for every row, a bar between cells."""
    for row in (table.header, *table.rows):
        words: list[Inline] = []
        for cell in row:
            words += [*([_BETWEEN] if words else []), *cell]
        yield Paragraph(tuple(words))
