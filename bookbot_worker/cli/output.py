"""How results reach the terminal or the pipe as text: harmless, bounded, the same in JSON.

Everything shown may come from strangers (titles, log lines, LLM output), so control characters that could
drive a terminal or reorder its text are made visible, in JSON too. Lists are in `tables.py`.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from shared.states import JobState
from shared.text import visible
from shared.views import jsonable

Row = dict[str, Any]

_LONGEST_LINE = 500

STYLES = {
    JobState.WAITING: "yellow",
    JobState.RUNNING: "cyan",
    JobState.COMPLETED: "green",
    JobState.FAILED: "red",
    JobState.ERROR: "bold red",
    JobState.CANCELLED: "dim",
}


def print_json(value: Any) -> None:
    """`value` (a view's result) as indented JSON."""
    click.echo(_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """`value` as JSON on one line, for streams."""
    click.echo(_json(value, indent=None))


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
            return visible(str(value).replace("\r\n", "\n"))


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
    return visible(text)
