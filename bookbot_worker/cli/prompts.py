"""`prompts list`, `show`, `export`, `lint`, `import`: bots and tasks, the defaults or those of a book."""

from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy.orm import Session

from bookbot_worker.books import library
from bookbot_worker.books.kit_file import Kit, read_kit, write_kit
from bookbot_worker.books.library import Bot, Task
from bookbot_worker.books.template import Fault, uses
from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.inputs import read_text
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import Row, one_line, shown
from bookbot_worker.cli.saving import save, target_of
from bookbot_worker.cli.tables import Column, print_rows
from bookbot_worker.jobs.kit_chunks import import_kit
from bookbot_worker.jobs.writing_kit import bots_of, faults_of_kit, tasks_of
from shared.errors import InvalidInput, NotFound
from shared.models import Book
from shared.views import find_id

COLUMNS = (
    Column("KIND", lambda row: row["kind"]),
    Column("NAME", lambda row: row["name"]),
    Column("MODES", lambda row: ", ".join(row["modes"]) or "all"),
    Column("JOB_TYPES", lambda row: ", ".join(row.get("job_types", ())), is_optional=True),
    Column("MODEL", lambda row: row.get("llm_group") or row.get("model") or "-"),
    Column("USES", lambda row: ", ".join(row["uses"]) or "-", is_optional=True),
)

BOOK_OPTION = option("--book", "book_id", help="The book whose bots and tasks are meant.  [default: the defaults]")


@click.group()
def prompts() -> None:
    """List, check and change bots and tasks, the prompts.

    \b
    bookbot-worker prompts list
    bookbot-worker prompts export --output prompts.yaml
    bookbot-worker prompts import prompts.yaml --book 0199f2a4
    """


@prompts.command("list")
@BOOK_OPTION
@JSON_OPTION
def list_(book_id: str | None, as_json: bool) -> None:
    """List bots and tasks, the preferred ones first.

    \b
    bookbot-worker prompts list
    bookbot-worker prompts list --book 0199f2a4
    """
    bots, tasks = _kit(book_id)
    rows: list[Row] = [{"kind": "bot", **bot.model_dump(mode="json"), "uses": []} for bot in bots]
    rows += [{"kind": "task", **task.model_dump(mode="json"), "uses": sorted(uses(task.prompt))} for task in tasks]
    print_rows(rows, COLUMNS, as_json=as_json, empty="There are none.")


@prompts.command()
@click.argument("name")
@BOOK_OPTION
def show(name: str, book_id: str | None) -> None:
    """Print the prompt of the bot or task called NAME, case aside.

    \b
    bookbot-worker prompts show "Write scene"
    """
    bots, tasks = _kit(book_id)
    found = library.named(bots, name) or library.named(tasks, name)
    if found is None:
        raise NotFound("bot or task called", name)
    click.echo(shown(found.prompt.rstrip("\n")))


@prompts.command()
@BOOK_OPTION
@option("--output", help="A file, or a directory.  [default: stdout]")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def export(book_id: str | None, output: str | None, force: bool) -> None:
    """Write bots and tasks as a YAML file, to edit and to import again.

    \b
    bookbot-worker prompts export --output prompts.yaml
    bookbot-worker prompts export --book 0199f2a4 > prompts.yaml
    """
    text = write_kit(*_kit(book_id))
    if output is None:
        click.echo(text, nl=False)
        return
    path = target_of(output, "prompts.yaml")
    save(path, text.encode(), replace=force)
    click.echo(path, err=True)


@prompts.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@BOOK_OPTION
def lint(file: Path | None, book_id: str | None) -> None:
    """Check a YAML file, or the bots and tasks of a book: a line for each fault, with its place.

    \b
    bookbot-worker prompts lint prompts.yaml
    bookbot-worker prompts lint --book 0199f2a4
    """
    if (file is None) == (book_id is None):
        raise click.UsageError("name either a FILE or a --book", click.get_current_context())
    faults = list(_faults_of_file(file) if file is not None else _faults_of_book(book_id or ""))
    for place, fault in faults:
        click.echo(one_line(f"{place}:{fault.line}:{fault.column}: {_said(fault)}"))
    if serious := sum(not fault.is_warning for _, fault in faults):
        raise InvalidInput(str(file or "book"), "1 fault" if serious == 1 else f"{serious} faults")


@prompts.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@option("--book", "book_id", required=True, help="The book that is to have them.")
def import_(file: Path, book_id: str) -> None:
    """Make the bots and tasks of a YAML file those of a book, all or nothing.

    A list that the file does not have stays as it is. Entries are the same by name; each change is a new version.

    \b
    bookbot-worker prompts import prompts.yaml --book 0199f2a4
    """
    kit = _usable_kit(file)
    with writing() as session:
        changes = import_kit(session, _book(session, book_id), kit.bots, kit.tasks)
    for kind, done in changes.items():
        click.echo(f"{kind}s: {done.added} added, {done.changed} changed, {done.removed} removed")


def _kit(book_id: str | None) -> tuple[list[Bot], list[Task]]:
    if book_id is None:
        return list(library.default_bots()), list(library.default_tasks())
    with reading() as session:
        found = _book(session, book_id)
        return bots_of(session, found), tasks_of(session, found)


def _usable_kit(file: Path) -> Kit:
    """Raises InvalidInput for the first fault."""
    kit, faults = read_kit(read_text("file", file))
    serious = [fault for fault in faults if not fault.is_warning]
    if serious:
        first, more = serious[0], len(serious) - 1
        rest = f" (and {more} more: bookbot-worker prompts lint)" if more else ""
        raise InvalidInput(f"{file}:{first.line}:{first.column}", f"{first.reason}{rest}")
    for fault in faults:
        click.echo(one_line(f"{file}:{fault.line}:{fault.column}: {_said(fault)}"), err=True)
    return kit


def _faults_of_file(file: Path) -> Iterator[tuple[str, Fault]]:
    _, faults = read_kit(read_text("file", file))
    return ((str(file), fault) for fault in faults)


def _faults_of_book(book_id: str) -> Iterator[tuple[str, Fault]]:
    with reading() as session:
        yield from faults_of_kit(session, _book(session, book_id))


def _book(session: Session, given: str) -> str:
    return find_id(session, Book.book_id, "book", given)


def _said(fault: Fault) -> str:
    return f"warning: {fault.reason}" if fault.is_warning else fault.reason
