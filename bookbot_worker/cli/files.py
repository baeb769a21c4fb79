"""`files list`, `save` and `add`: finished exports, from the database to the disk; pictures, the other way."""

import sys
from pathlib import Path
from typing import get_args

import click

from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.inputs import find_given, read_bytes
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import print_json, shown, size
from bookbot_worker.cli.saving import save, target_of
from bookbot_worker.cli.tables import Column, print_rows
from shared.covers import MAX_BYTES, cover_of
from shared.export_props import ExportFormat
from shared.models import Book, Job
from shared.pictures import keep_cover
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
    """List finished exports and save them to the disk.

    \b
    bookbot-worker files list
    bookbot-worker files save --book 0199f2a4 --format epub
    """


@files.command("list")
@option("--book", help="Only files of this book.")
@option("--job", help="Only files this job made.")
@option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@JSON_OPTION
def list_(book: str | None, job: str | None, limit: int, as_json: bool) -> None:
    """List files, newest first.

    \b
    bookbot-worker files list --book 0199f2a4
    """
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


@files.command("add")
@click.argument("picture", type=click.Path(path_type=Path))
@option("--book", required=True, help="The book it is for.")
@JSON_OPTION
def add(picture: Path, book: str, as_json: bool) -> None:
    """Keep a PNG or JPEG with a book, for the cover of its exports; prints the FILE_ID for their props.

    \b
    bookbot-worker files add cover.png --book 0199f2a4
    """
    cover = cover_of(read_bytes("picture", picture, MAX_BYTES))
    with writing() as session:
        file = keep_cover(session, find_id(session, Book.book_id, "book", book), cover, picture.stem)
        row = next(row for row in list_files(session, book_id=file.book_id) if row["file_id"] == file.file_id)
    if as_json:
        print_json(row)
    else:
        click.echo(row["file_id"])


@files.command("save")
@click.argument("file_id", required=False)
@option("--book", help="Instead of FILE_ID: the newest file of this book …")
@option("--format", "file_format", help=f"… in this format: {', '.join(get_args(ExportFormat))}.")
@option("--output", metavar="PATH", help="File, directory, or - for stdout.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def save_(file_id: str | None, book: str | None, file_format: str | None, output: str | None, force: bool) -> None:
    """Save a file under its own name, or as --output; prints the path.

    \b
    bookbot-worker files save 0199f2a4
    bookbot-worker files save --book 0199f2a4 --format epub --output books/
    """
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
