"""`workers`: which worker processes there are, and below each the jobs it runs.

On a terminal the ids of workers are as short as tells them apart, for no command asks for them. Ids of jobs are whole:
those of one minute begin alike, and each is there to be copied into `jobs show`.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence

import click
from rich.console import Console
from rich.text import Text

from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.options import JSON_OPTION
from bookbot_worker.cli.output import Row, one_line, percent, print_json
from bookbot_worker.cli.tables import Column, arranged, print_rows
from shared.views import list_workers
from shared.worker_requests import ask_worker

_INDENT = "  "
_SHORTEST_ID = 8

COLUMNS = (
    Column("WORKER_ID", lambda row: row["worker_id"]),
    Column("STATE", lambda row: row["state"]),
    Column("JOBS", lambda row: f"{len(row['jobs'])}/{row['concurrency']}"),
    Column("LAST_BEAT", lambda row: _ago(row["seconds_since_beat"])),
    Column("NAME", lambda row: row["name"]),
    Column("QUEUES", lambda row: ", ".join(row["queues"]) or "all"),
    Column("VERSION", lambda row: row["version"], is_optional=True),
    Column("STARTED_AT", lambda row: row["started_at"], is_optional=True),
    Column("PROCESS", lambda row: f"{row['pid']}@{row['hostname']}"),
)
_TROUBLE = Column("TROUBLE", lambda row: row["trouble"])

_JOB_COLUMNS = (
    Column("JOB_ID", lambda job: job["job_id"]),
    Column("TYPE", lambda job: job["job_type"]),
    Column("DONE", percent),
    Column("MESSAGE", lambda job: job["progress_message"]),
)


@click.group(invoke_without_command=True)
@click.option("--all", "include_ended", is_flag=True, help="Also those that ended more than an hour ago.")
@JSON_OPTION
@click.pass_context
def workers(context: click.Context, include_ended: bool, as_json: bool) -> None:
    """Show which workers there are, and what they run.

    A worker is "lost" when it went silent without a word; others give its jobs back to the queue.

    \b
    bookbot-worker workers
    bookbot-worker workers pause host1
    bookbot-worker workers drain host1
    """
    if context.invoked_subcommand is None:
        _list(include_ended, as_json)


@workers.command()
@click.argument("name")
@JSON_OPTION
def pause(name: str, as_json: bool) -> None:
    """Have a worker claim nothing for now. What it runs goes on.

    NAME is the name of one or more workers, or the beginning of a worker's id. It hears of it within a few seconds.

    \b
    bookbot-worker workers pause host1
    """
    _ask(name, "paused", as_json)


@workers.command()
@click.argument("name")
@JSON_OPTION
def resume(name: str, as_json: bool) -> None:
    """Have a paused worker claim jobs again.

    \b
    bookbot-worker workers resume host1
    """
    _ask(name, "running", as_json)


@workers.command()
@click.argument("name")
@JSON_OPTION
def drain(name: str, as_json: bool) -> None:
    """Have a worker finish what it runs, claim nothing more, and end with code 0, as after SIGTERM.

    A supervisor that always restarts it will start a new one. This cannot be taken back.

    \b
    bookbot-worker workers drain host1
    """
    _ask(name, "draining", as_json)


def _ask(name: str, state: str, as_json: bool) -> None:
    with writing() as session:
        asked = ask_worker(name, state, session=session)
    if as_json:
        print_json([{"worker_id": worker_id, "requested_state": state} for worker_id in asked])
        return
    for worker_id in asked:
        click.echo(worker_id)


def _list(include_ended: bool, as_json: bool) -> None:
    with reading() as session:
        rows = list_workers(session, include_ended)
    if as_json or not rows:
        print_rows(rows, COLUMNS, as_json=as_json, empty="No workers. Start one with: bookbot-worker run")
    elif sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        console = Console(width=width)
        for text in drawn(rows, width):
            console.print(text, soft_wrap=True)
    else:
        for cells in _records(rows):
            click.echo("\t".join(cells))


def drawn(rows: Sequence[Row], width: int) -> Iterator[Text]:
    """The list on a terminal of this width: a worker, what troubles it, its jobs, and the next one."""
    length = _telling_apart([row["worker_id"] for row in rows])
    shortened = [row | {"worker_id": row["worker_id"][:length]} for row in rows]
    (heading, *entries) = _entries(shortened, COLUMNS, width)
    (_, *jobs) = _entries([job for row in rows for job in row["jobs"]], _JOB_COLUMNS, width - len(_INDENT))
    jobs_in_order = iter(jobs)
    yield from heading
    for row, entry in zip(rows, entries, strict=True):
        yield from entry
        if row["trouble"]:
            yield Text(f"{_INDENT}trouble: {one_line(row['trouble'])}", style="red")
        for _ in row["jobs"]:
            yield from (Text(_INDENT).append_text(text) for text in next(jobs_in_order))


def _entries(rows: Sequence[Row], columns: Sequence[Column], width: int) -> list[Sequence[Text]]:
    """The heading and each row as its line, or where the terminal is narrow its two."""
    lines = [[column.heading for column in columns], *(_cells(row, columns) for row in rows)]
    texts = arranged(lines, [column.is_optional for column in columns], width)
    size = len(texts) // len(lines)
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _records(rows: Sequence[Row]) -> Iterator[list[str]]:
    """The list for a pipe: the heading, a record a worker, and below it its jobs, whose first field is empty."""
    columns = (*COLUMNS, _TROUBLE)
    yield [column.heading for column in columns]
    for row in rows:
        yield _cells(row, columns)
        for job in row["jobs"]:
            yield ["", *_cells(job, _JOB_COLUMNS)]


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    return [one_line(column.text(row)) for column in columns]


def _telling_apart(ids: Sequence[str]) -> int:
    """How many characters of these different ids it takes to tell them apart, at least eight."""
    length = _SHORTEST_ID
    while len({ident[:length] for ident in ids}) < len(ids):
        length += 1
    return length


def _ago(seconds: float) -> str:
    """A time since, in the largest unit of which there are at least two."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
