"""How results reach the terminal or the pipe: tables for people, tab-separated text or JSON for programs.

Everything shown may come from strangers (titles, log lines, LLM output), so control characters that could
drive a terminal or reorder its text are made visible, in JSON too.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.states import JobState
from shared.views import jsonable

Row = dict[str, Any]

# C0 but tab and newline, DEL, C1, and the bidirectional controls of "Trojan Source" (CVE-2021-42574).
_DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONGEST_LINE = 500
_GAP = 2
_LAST_COLUMN = 20  # characters it keeps before optional columns are dropped

STYLES = {
    JobState.WAITING: "yellow",
    JobState.RUNNING: "cyan",
    JobState.COMPLETED: "green",
    JobState.FAILED: "red",
    JobState.ERROR: "bold red",
    JobState.CANCELLED: "dim",
}


class Column(NamedTuple):
    """One column of a table: its heading, how to read its text from a row, and whether a narrow terminal drops it."""

    heading: str
    text: Callable[[Row], object]
    is_optional: bool = False


def print_json(value: Any) -> None:
    """`value` (a view's result) as indented JSON."""
    click.echo(_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """`value` as JSON on one line, for streams."""
    click.echo(_json(value, indent=None))


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
    cells = [[one_line(column.text(row)) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        for line in ([column.heading for column in columns], *cells):
            click.echo("\t".join(line))
        return
    _print_table(columns, cells)


def _print_table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    """A table as wide as the terminal at most: optional columns go first, then the last column is cut."""
    console = Console()
    widths = [
        max(cell_len(text) for text in (column.heading, *texts)) for column, *texts in zip(columns, *cells, strict=True)
    ]
    needed = sum(width + _GAP for width in widths[:-1]) + min(widths[-1], _LAST_COLUMN)
    kept = [index for index, column in enumerate(columns) if needed <= console.width or not column.is_optional]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for index in kept:
        table.add_column(columns[index].heading, no_wrap=True, overflow="ellipsis" if index == kept[-1] else "fold")
    for line in cells:
        table.add_row(*(Text(line[index], style=STYLES.get(line[index], "")) for index in kept))  # type: ignore[call-overload]
    console.print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One thing as "name: value" lines; what is None or empty is left out."""
    shown = [(name, value) for name, value in fields if value not in (None, "", {}, [])]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name + ':':<{width + 1}} {block(value, width + 2)}")


def one_line(value: object) -> str:
    """`value` as one harmless line of bounded length."""
    text = " ".join(shown(value).split())
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"


def block(value: object, indent: int) -> str:
    """`value` as harmless text; further lines are indented, so that none can pose as a line of ours."""
    return shown(value).rstrip("\n").replace("\n", "\n" + " " * indent)


def shown(value: object) -> str:
    """`value` as text with control characters made visible; instants in UTC, documents as JSON."""
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case dict() | list():
            return _json(value, indent=None)
        case _:
            return _DANGEROUS.sub(_escaped, str(value).replace("\r\n", "\n"))


def percent(row: Row, key: str = "progress") -> str:
    """A row's progress, for people."""
    return f"{row[key]:.0%}"


def size(count: int) -> str:
    """A number of bytes, for people."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"


def _json(value: Any, *, indent: int | None) -> str:
    text = json.dumps(jsonable(value), ensure_ascii=False, indent=indent)
    return _DANGEROUS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    """The character as JSON, and people, write it: ``\\u001b``."""
    return f"\\u{ord(found[0]):04x}"
