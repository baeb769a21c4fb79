"""`files list` and `files save`: finished exports, from the database to the disk."""

import sys
from pathlib import Path

import click

from bookbot_worker.cli.books import JSON_OPTION
from bookbot_worker.cli.database import reading
from bookbot_worker.cli.output import Column, print_rows, shown, size
from bookbot_worker.cli.saving import safe_name, save
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
@click.option("--book", help="Only files of this book.")
@click.option("--job", help="Only files this job made.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@JSON_OPTION
def list_(book: str | None, job: str | None, limit: int, as_json: bool) -> None:
    """List files, newest first."""
    with reading() as session:
        rows = list_files(
            session,
            book_id=find_id(session, Book.book_id, "book", book) if book else None,
            job_id=find_id(session, Job.job_id, "job", job) if job else None,
            limit=limit,
        )
    print_rows(
        rows, COLUMNS, as_json=as_json, empty="No files yet. Make one with: jobs enqueue export_book --book BOOK"
    )


@files.command("save")
@click.argument("file_id", required=False)
@click.option("--book", help="Instead of FILE_ID: the newest file of this book …")
@click.option("--format", "file_format", help="… in this format: epub, markdown.")
@click.option("--output", type=click.Path(path_type=Path, allow_dash=True), help="File, directory, or - for stdout.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def save_(file_id: str | None, book: str | None, file_format: str | None, output: Path | None, force: bool) -> None:
    """Save a file under its own name, or as --output; prints the path."""
    if (file_id is None) == (book is None) or (book is None) != (file_format is None):
        raise click.UsageError("name a FILE_ID, or --book and --format")
    with reading() as session:
        if file_id is not None:
            file = get_file(session, file_id)
        else:
            book_id = find_id(session, Book.book_id, "book", str(book))
            file = newest_file(session, book_id, str(file_format))
    if output == Path("-"):
        sys.stdout.buffer.write(file["content"])
        return
    target = output or Path()
    path = target / safe_name(file["name"]) if target.is_dir() else target
    save(path, file["content"], replace=force)
    click.echo(shown(path))
