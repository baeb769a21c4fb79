"""`demo`: a brief becomes a book on the disk, with a real worker on a database of its own."""

import signal
import time
from pathlib import Path

import click

import shared
from bookbot_worker.cli.exit_codes import ExitCode
from bookbot_worker.cli.inputs import first_heading, read_text
from bookbot_worker.cli.options import option
from bookbot_worker.cli.output import one_line, shown
from shared.errors import InvalidInput
from shared.new_book import checked_title

EXAMPLES = Path(shared.__file__).parent / "examples"


@click.command()
@option("--brief", type=click.Path(path_type=Path), help="What the book is about.  [default: examples/brief.md]")
@option("--style", type=click.Path(path_type=Path), help="How it is written.  [default: examples/style.md]")
@option("--title", help="The book's title.  [default: the brief's first heading]")
@option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("bookbot-demo"), show_default=True,
    help="Directory for the book, the demo's database and the worker's log.",
)  # fmt: skip
@click.pass_context
def demo(context: click.Context, brief: Path | None, style: Path | None, title: str | None, output: Path) -> None:
    """Write a whole book: brief in, EPUB and Markdown out.

    Prints their paths. Needs nothing but a directory. The author is the one the settings name, by default the
    built-in offline one.

    \b
    bookbot-worker demo
    bookbot-worker demo --brief examples/brief.md --style examples/style.md --title "The Salt Ledger"
    """
    from bookbot_worker.cli.demo_book import DemoBook  # brings the whole worker; other commands start without it

    brief_text = read_text("brief", example("brief.md") if brief is None else brief)
    style_text = read_text("style", example("style.md") if style is None else style)
    heading = first_heading(brief_text) if title is None else title
    if heading is None:
        raise InvalidInput("title", "the brief has no heading to take it from; give --title")
    heading = checked_title(heading)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways of stopping give back what runs
    click.echo(f"Writing “{one_line(heading)}” into {shown(output)}/ (Ctrl-C stops)", err=True)
    with DemoBook(output, heading, brief_text, style_text) as book:
        problem = book.watch()
        for path in book.save():
            click.echo(shown(path))
        words = book.words()
    click.echo(f"{words} words in {time.monotonic() - started:.1f} s; log: {shown(output / 'worker.log')}", err=True)
    if problem is not None:
        click.echo(f"Error: {one_line(problem)}", err=True)
        context.exit(ExitCode.FAILED)


def example(name: str) -> Path:
    """The example in ./examples, or else the one that came with the program."""
    local = Path("examples") / name
    return local if local.exists() else EXAMPLES / name
