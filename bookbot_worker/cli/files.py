"""`files list` and `files save`: finished exports, from the database to the disk."""

import sys

import click

from bookbot_worker.cli.database import reading
from bookbot_worker.cli.inputs import find_given
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import shown, size
from bookbot_worker.cli.saving import save, target_of
from bookbot_worker.cli.tables import Column, print_rows
from shared.models import Book, Job
from shared.views import find_id, get_file, list_files, newest_file

COLUMNS = (
    Column("FILE_ID", lambda row: row["file_id"]),
    Column("FORMAT", lambda row: row["format"]),
    Column("SIZE", lambda row: size(row["size_bytes"])),
    Column("CREATED_AT", lambda row: row["created_at"], is_optional=True),
    Column("NAME", lambda row: row["name"]),
)


@click.group()
def files() -> None:
    """List finished exports and save them to the disk."""


@files.command("list")
@option("--book", help="Only files of this book.")
@option("--job", help="Only files this job made.")
@option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@JSON_OPTION
def list_(book: str | None, job: str | None, limit: int, as_json: bool) -> None:
    """List files, newest first."""
    with reading() as session:
        rows = list_files(
            session,
            book_id=find_given(session, Book.book_id, "book", book),
            job_id=find_given(session, Job.job_id, "job", job),
            limit=limit,
        )
    print_rows(
        rows, COLUMNS, as_json=as_json, empty="No files yet. Make one with: jobs enqueue export_book --book BOOK"
    )


@files.command("save")
@click.argument("file_id", required=False)
@option("--book", help="Instead of FILE_ID: the newest file of this book …")
@option("--format", "file_format", help="… in this format: epub, markdown.")
@option("--output", metavar="PATH", help="File, directory, or - for stdout.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def save_(file_id: str | None, book: str | None, file_format: str | None, output: str | None, force: bool) -> None:
    """Save a file under its own name, or as --output; prints the path."""
    if (file_id is None) == (book is None) or (book is None) != (file_format is None):
        raise click.UsageError("name a FILE_ID, or --book and --format")
    with reading() as session:
        if file_id is not None:
            file = get_file(session, file_id)
        else:
            book_id = find_id(session, Book.book_id, "book", str(book))
            file = newest_file(session, book_id, str(file_format))
    if output == "-":
        sys.stdout.buffer.write(file["content"])
        return
    path = target_of(output, file["name"])
    save(path, file["content"], replace=force)
    click.echo(shown(path))
