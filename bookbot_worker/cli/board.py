"""A live board of jobs: redrawn in place on a terminal, one line per change anywhere else."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import click
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bookbot_worker.cli.job_text import name_of
from bookbot_worker.cli.output import STYLES, Row, one_line, percent
from shared.states import JobState

_GAP = 2
_STATE = max(map(len, JobState))
_BAR = 16
_PERCENT = 4
_LONGEST_NAME = 46
_CUT_NAME_WITH_BAR = 30
_CUT_NAME = 22
_CUT_MESSAGE = 12
_LINES_BESIDE_ROWS = 3  # the sum, the line after it, and one that was there before


class Board(Protocol):
    """Shows the same jobs again and again."""

    def show(self, rows: Sequence[Row]) -> None:
        """Show where these jobs are now."""


class LiveBoard:
    """For terminals: one row a job, one line a row. What does not fit the screen is summed up, ended jobs first."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, rows: Sequence[Row]) -> None:
        """Redraw in place."""
        size = self._live.console.size
        self._live.update(drawn(rows, size.width, size.height), refresh=True)


class PlainBoard:
    """For pipes, files and terminals that cannot move the cursor: a line when a job changes its state or message."""

    def __init__(self, *, err: bool) -> None:
        self._err = err
        self._last: dict[str, tuple[object, ...]] = {}

    def show(self, rows: Sequence[Row]) -> None:
        """Print what changed since the last call."""
        for row in rows:
            now = (row["state"], row["progress_message"])
            if self._last.get(row["job_id"]) != now:
                self._last[row["job_id"]] = now
                line = f"{row['state']:<{_STATE}} {percent(row):>{_PERCENT}}  {name_of(row)}  {_message(row)}"
                click.echo(line.rstrip(), err=self._err)


def drawn(rows: Sequence[Row], width: int, height: int) -> Group:
    """The board on a screen of this size: never more lines than it has, the state in every one of them.

    Where it gets narrow, first the bar becomes a percentage, then the message goes; the name is cut all along.
    """
    width -= 1  # a terminal may wrap a line that fills it
    shown = fitting(rows, max(1, height - _LINES_BESIDE_ROWS))
    longest = min(_LONGEST_NAME, max((cell_len(name_of(row)) for row in shown), default=0))
    rest = width - _GAP - _STATE - _GAP
    has_bar = rest >= min(longest, _CUT_NAME_WITH_BAR) + _BAR + _GAP + _CUT_MESSAGE
    done = _BAR if has_bar else _PERCENT
    rest -= done
    name = max(1, min(longest, rest, max(_CUT_NAME, rest - _GAP - _CUT_MESSAGE)))
    message = rest - name - _GAP
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in (name, _STATE, done, *([message] if message >= _CUT_MESSAGE else [])):
        table.add_column(no_wrap=True, width=column, overflow="ellipsis")
    for row in shown:
        state = JobState(row["state"])
        part = 1.0 if state is JobState.COMPLETED else row.get("rolled_progress") or row["progress"]
        cells = [
            Text(name_of(row)),
            Text(state, style=STYLES[state]),
            ProgressBar(total=1.0, completed=part, width=_BAR) if has_bar else Text(f"{part:.0%}"),
            Text(_message(row), style="dim"),
        ]
        table.add_row(*cells[: len(table.columns)])
    ended = sum(JobState(row["state"]).is_terminal for row in rows)
    total = Text(f"{ended} of {len(rows)} jobs ended", style="bold")
    total.truncate(max(1, width - len("^C")), overflow="ellipsis")
    return Group(table, total)


def fitting(rows: Sequence[Row], height: int) -> list[Row]:
    """At most `height` of `rows`, in their order: those that run or failed before those that wait or are done."""
    interest = {JobState.RUNNING: 0, JobState.ERROR: 1, JobState.FAILED: 1, JobState.WAITING: 2}
    ranked = sorted(range(len(rows)), key=lambda index: (interest.get(JobState(rows[index]["state"]), 3), index))
    return [rows[index] for index in sorted(ranked[:height])]


def _message(row: Row) -> str:
    """What went wrong, or the last the job said, also where it has completed: there it is what came of it."""
    return one_line(row["error_message"] or row["progress_message"] or "")


@contextmanager
def make_board(*, err: bool = False) -> Iterator[Board]:
    """The board that suits stdout, or stderr for commands whose data is something else."""
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        yield PlainBoard(err=err)
        return
    with Live(console=Console(stderr=err), auto_refresh=False) as live:
        yield LiveBoard(live)
