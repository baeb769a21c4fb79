"""`books backup` and `books restore`: one book as one file, to keep or to take elsewhere."""

import tempfile
from pathlib import Path

import click

from bookbot_worker.cli.database import checked_engine, one_moment, writing
from bookbot_worker.cli.options import option
from bookbot_worker.cli.output import shown
from bookbot_worker.cli.saving import save, target_of
from bookbot_worker.moving.book_file import read_book, write_book
from shared.models import Book
from shared.views import find_id


@click.command()
@click.argument("book_id")
@option("--output", metavar="PATH", help="File or directory.  [default: its title, here]")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def backup(book_id: str, output: str | None, force: bool) -> None:
    """Save a book as one file: every version of its texts, and its finished files; prints the path.

    Jobs, logs and the record of LLM calls are not in it. BOOK_ID may be its unique beginning.

    \b
    bookbot-worker books backup 0199f2a4
    bookbot-worker books backup 0199f2a4 --output /var/backups/ --force
    """
    with one_moment(checked_engine()) as session, tempfile.TemporaryFile() as draft:
        book = session.get_one(Book, find_id(session, Book.book_id, "book", book_id))
        count = write_book(session, book.book_id, draft)
        path = target_of(output, f"{book.title}.bookbot")
        draft.seek(0)
        save(path, draft.read(), replace=force)
    click.echo(shown(path))
    click.echo(f"{count} versions of texts. Read it back with: bookbot-worker books restore FILE", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Read back a book that `books backup` saved; prints its id. One that is here already is left alone.

    \b
    bookbot-worker books restore "The Salt Ledger.bookbot"
    """
    with writing() as session:
        book_id = read_book(session, file)
    click.echo(book_id)
