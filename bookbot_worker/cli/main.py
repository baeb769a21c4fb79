"""The root command `bookbot-worker` and the list of its families; nothing else.

A family is imported when it is named: `--help` answers at once, and a Ctrl-C finds us ready for it.
"""

import sys
from importlib import import_module

import click

from bookbot_worker.cli.boundary import Boundary

FAMILIES = {
    "books": "Start books and see how far they are.",
    "completion": "Print the script that lets a shell complete commands.",
    "costs": "Show what LLMs have cost.",
    "db": "Set up the database, or see whether it is up to date.",
    "demo": "Write a whole book: brief in, EPUB and Markdown out.",
    "doctor": "Look whether all is well; say what is wrong and what to do.",
    "files": "List finished exports and save them to the disk.",
    "jobs": "Enqueue jobs, watch them, call them off, run them again.",
    "llm-stub": "Serve the offline author over the OpenAI protocol, for tests.",
    "prompts": "List, check and change bots and tasks, the prompts.",
    "prune": "Forget jobs that ended long ago, with their logs.",
    "queues": "Show the queues; pause, resume and limit them.",
    "run": "Run a worker: claim jobs, execute them, settle them.",
    "schedules": "Jobs that come again and again: list, create, enable, run now.",
    "stats": "Show what waits and runs, and how fast jobs came and went.",
    "workers": "Show which workers there are, and what they run.",
}
"""Each is the command of that name in the module of that name, and the first line of its help."""


class Families(Boundary):
    """Holds a placeholder for every family, and imports the family itself when it is asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The family's own command, None where there is no such family."""
        if cmd_name not in self.commands:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"bookbot_worker.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list in `--help`, from the placeholders."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.short_help or "") for name, command in self.commands.items()])


def _print_version(context: click.Context, _option: click.Parameter, is_given: bool) -> None:
    if is_given:
        from shared.version import __version__

        click.echo(f"bookbot-worker, version {__version__}")
        context.exit()


@click.group(
    cls=Families,
    commands=[click.Command(name, short_help=text) for name, text in FAMILIES.items()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Show the version and exit.",
)  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the traceback of an error, before its one line.")
def main(debug: bool) -> None:  # noqa: ARG001 - read by the boundary, which also serves errors in parsing
    """Background jobs of BookBot: from a brief to a finished book.

    Settings come from the environment: DATABASE_URL (default sqlite:///bookbot.db) and BOOKBOT_*.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 gets "?" for what it cannot show, not a crash.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
