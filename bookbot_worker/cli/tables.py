"""Lists: a table on a terminal, tab-separated lines in a pipe, JSON when asked for.

A terminal too narrow for a line a row gets two: the id alone, whole, so that it can be copied, and the rest below it.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bookbot_worker.cli.output import STYLES, Row, one_line, print_json

_GAP = "  "
_SHORTEST_LAST = 20  # characters the last column keeps before optional columns are dropped
_CRAMPED_LAST = 5  # and before the ids get lines of their own

Lines = Sequence[Sequence[str]]


class Column(NamedTuple):
    """One column of a table: its heading, how to read its text from a row, and whether a narrow terminal drops it."""

    heading: str
    text: Callable[[Row], object]
    is_optional: bool = False


def print_rows(rows: Sequence[Row], columns: Sequence[Column], *, as_json: bool, empty: str) -> None:
    """A list: JSON when asked for, a table on a terminal, else tab-separated lines under a heading.

    `empty` is said on stderr where there is nothing to show.
    """
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo(empty, err=True)
        return
    lines = [
        [column.heading for column in columns],
        *([one_line(column.text(row)) for column in columns] for row in rows),
    ]
    if not sys.stdout.isatty():
        for line in lines:
            click.echo("\t".join(line))
        return
    width = shutil.get_terminal_size().columns
    console = Console(width=width)
    for text in arranged(lines, [column.is_optional for column in columns], width):
        console.print(text, soft_wrap=True)


def arranged(lines: Lines, is_optional: Sequence[bool], width: int) -> list[Text]:
    """The lines of the table (the first is the heading) on a terminal of this width.

    Optional columns go first, then the last column is cut, then the first gets a line of its own.
    """
    if not _fits(lines, width, _SHORTEST_LAST):
        lines = [[text for text, goes in zip(line, is_optional, strict=True) if not goes] for line in lines]
    if _fits(lines, width, _CRAMPED_LAST):
        return _aligned(lines, width, "")
    rest = _aligned([line[1:] for line in lines], width, _GAP)
    ids = [Text(line[0], style="" if number else "bold") for number, line in enumerate(lines)]
    return [text for pair in zip(ids, rest, strict=True) for text in pair]


def _fits(lines: Lines, width: int, shortest_last: int) -> bool:
    *widths, last = _widths(lines)
    return sum(widths) + len(_GAP) * len(widths) + min(last, shortest_last) <= width


def _widths(lines: Lines) -> list[int]:
    return [max(map(cell_len, texts)) for texts in zip(*lines, strict=True)]


def _aligned(lines: Lines, width: int, indent: str) -> list[Text]:
    """One text a line, its columns below each other, cut at `width`."""
    widths = _widths(lines)
    result = []
    for number, line in enumerate(lines):
        text = Text(indent)
        for cell, cell_width in zip(line, widths, strict=True):
            style = STYLES.get(cell, "") if number else "bold"  # type: ignore[call-overload]
            text.append(cell, style=style).append(" " * (cell_width - cell_len(cell))).append(_GAP)
        text.rstrip()
        text.truncate(width, overflow="ellipsis")
        result.append(text)
    return result
