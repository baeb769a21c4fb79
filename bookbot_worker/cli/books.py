"""`books create`, `books list`, `books show`."""

from pathlib import Path

import click

from bookbot_worker.cli.book_files import backup, restore
from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.inputs import read_text
from bookbot_worker.cli.llm_text import spent
from bookbot_worker.cli.options import JSON_OPTION, option
from bookbot_worker.cli.output import one_line, print_fields, print_json
from bookbot_worker.cli.tables import Column, print_rows
from shared.new_book import create_book
from shared.views import cost_of_book, get_book, list_books

COLUMNS = (
    Column("BOOK_ID", lambda row: row["book_id"]),
    Column("SCENES", lambda row: f"{row['scenes_written']}/{row['scenes']}"),
    Column("WORDS", lambda row: row["words"]),
    Column("LOCKED", lambda row: "yes" if row["locked_by_job_id"] else "no", is_optional=True),
    Column("TITLE", lambda row: row["title"]),
)


@click.group()
def books() -> None:
    """Start books and see how far they are.

    \b
    bookbot-worker books list
    bookbot-worker books show 0199f2a4
    """


@books.command()
@option("--title", required=True, help="The book's title.")
@option("--brief-file", required=True, type=click.Path(path_type=Path), help="What the book is about.")
@option("--style-file", required=True, type=click.Path(path_type=Path), help="How it is to be written.")
@option("--author", help="Whom exports name as its author.  [default: BookBot]")
@option("--language", help="Its language as a tag such as en or pt-BR.  [default: en]")
@JSON_OPTION
def create(
    title: str, brief_file: Path, style_file: Path, author: str | None, language: str | None, as_json: bool
) -> None:
    """Create a book from a brief and a style; prints its id.

    \b
    bookbot-worker books create --title "The Salt Ledger" --brief-file brief.md --style-file style.md
    """
    brief, style = read_text("brief-file", brief_file), read_text("style-file", style_file)
    with writing() as session:
        book_id = create_book(session, title, brief, style, author=author, language=language).book_id
    if not as_json:
        click.echo(book_id)
        click.echo(f"Next: bookbot-worker jobs enqueue create_foundation --book {book_id}", err=True)
        return
    with reading() as session:
        print_json(get_book(session, book_id))


@books.command("list")
@option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@JSON_OPTION
def list_(limit: int, as_json: bool) -> None:
    """List books, newest first.

    \b
    bookbot-worker books list --limit 10
    """
    with reading() as session:
        rows = list_books(session, limit=limit)
    print_rows(rows, COLUMNS, as_json=as_json, empty="No books yet. Start one with: bookbot-worker books create")


@books.command()
@click.argument("book_id")
@JSON_OPTION
def show(book_id: str, as_json: bool) -> None:
    """Show a book with its chapters and scenes. BOOK_ID may be its unique beginning.

    \b
    bookbot-worker books show 0199f2a4
    """
    with reading() as session:
        book = get_book(session, book_id)
        book["llm"] = cost_of_book(session, book["book_id"])
    if as_json:
        print_json(book)
        return
    print_fields(
        [
            *((name, book[name]) for name in ("book_id", "title", "created_at", "locked_by_job_id", "props", "words")),
            ("scenes", f"{book['scenes_written']} of {book['scenes']} written"),
            ("cost_usd", spent(book["llm"])),
            ("chunks", ", ".join(f"{count} {kind}" for kind, count in book["chunks"].items())),
        ]
    )
    for chapter in book["chapters"]:
        click.echo(f"\nChapter {chapter['chapter'] or '-'}, {chapter['words']} words")
        for scene in chapter["scenes"]:
            title = one_line(scene["props"].get("title", ""))
            click.echo(f"  {scene['chunk_id']}  {scene['state']:<8} {scene['word_count']:>6} words  {title}".rstrip())


books.add_command(backup)
books.add_command(restore)
