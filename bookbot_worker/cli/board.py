"""A live board of jobs: redrawn in place on a terminal, one line per change anywhere else."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bookbot_worker.cli.job_text import name_of
from bookbot_worker.cli.output import STYLES, Row, one_line, percent
from shared.states import JobState

_BAR_WIDTH = 16


class Board(Protocol):
    """Shows the same jobs again and again."""

    def show(self, rows: Sequence[Row]) -> None:
        """Show where these jobs are now."""


class LiveBoard:
    """For terminals: one row a job. What does not fit the screen is summed up, ended jobs first."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, rows: Sequence[Row]) -> None:
        """Redraw in place."""
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True, max_width=46, overflow="ellipsis")
        table.add_column(no_wrap=True, min_width=len(JobState.COMPLETED))
        table.add_column(width=_BAR_WIDTH)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for row in fitting(rows, max(3, self._live.console.size.height - 3)):
            state = JobState(row["state"])
            done = 1.0 if state is JobState.COMPLETED else row.get("rolled_progress") or row["progress"]
            message = one_line(row["error_message"] or row["progress_message"] or "")
            table.add_row(
                Text(name_of(row)),
                Text(state, style=STYLES[state]),
                ProgressBar(total=1.0, completed=done, width=_BAR_WIDTH),
                Text(message, style="dim"),
            )
        ended = sum(JobState(row["state"]).is_terminal for row in rows)
        table.add_row(Text(f"{ended} of {len(rows)} jobs ended", style="bold"))
        self._live.update(table, refresh=True)


class PlainBoard:
    """For pipes and files: a line when a job changes its state or its message."""

    def __init__(self, *, err: bool) -> None:
        self._err = err
        self._last: dict[str, tuple[object, ...]] = {}

    def show(self, rows: Sequence[Row]) -> None:
        """Print what changed since the last call."""
        for row in rows:
            now = (row["state"], row["progress_message"])
            if self._last.get(row["job_id"]) != now:
                self._last[row["job_id"]] = now
                message = one_line(row["error_message"] or row["progress_message"] or "")
                click.echo(f"{row['state']:<9} {percent(row):>4}  {name_of(row)}  {message}".rstrip(), err=self._err)


def fitting(rows: Sequence[Row], height: int) -> list[Row]:
    """At most `height` of `rows`, in their order: those that run or failed before those that wait or are done."""
    interest = {JobState.RUNNING: 0, JobState.ERROR: 1, JobState.FAILED: 1, JobState.WAITING: 2}
    ranked = sorted(range(len(rows)), key=lambda index: (interest.get(JobState(rows[index]["state"]), 3), index))
    return [rows[index] for index in sorted(ranked[:height])]


@contextmanager
def make_board(*, err: bool = False) -> Iterator[Board]:
    """The board that suits stdout, or stderr for commands whose data is something else."""
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty():
        yield PlainBoard(err=err)
        return
    with Live(console=Console(stderr=err), auto_refresh=False) as live:
        yield LiveBoard(live)
