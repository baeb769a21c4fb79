"""The root command `bookbot-worker` and the list of its families; nothing else."""

import sys

import click

from bookbot_worker.cli.books import books
from bookbot_worker.cli.boundary import Boundary
from bookbot_worker.cli.db import db
from bookbot_worker.cli.demo import demo
from bookbot_worker.cli.files import files
from bookbot_worker.cli.jobs import jobs
from bookbot_worker.cli.run import run
from shared.version import __version__


@click.group(cls=Boundary, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bookbot-worker")
@click.option("--debug", is_flag=True, help="Show the traceback of an error, before its one line.")
def main(debug: bool) -> None:  # noqa: ARG001 - read by the boundary, which also serves errors in parsing
    """Background jobs of BookBot: from a brief to a finished book.

    Settings come from the environment: DATABASE_URL (default sqlite:///bookbot.db) and BOOKBOT_*.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 gets "?" for what it cannot show, not a crash.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")


main.add_command(run)
main.add_command(demo)
main.add_command(books)
main.add_command(jobs)
main.add_command(files)
main.add_command(db)
