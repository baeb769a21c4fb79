"""An option with an empty value is a mistake, and never the command without that option."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bookbot_worker.cli.main import main
from shared.models import Job

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("environment")]


def options(command: click.Command, path: list[str]) -> Iterator[tuple[list[str], str]]:
    """Every option of the command and of those below it that takes a value."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from options(below, [*path, name])
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            yield path, parameter.opts[0]


OPTIONS = sorted(options(main, []))


def test_every_option_that_takes_a_value_refuses_an_empty_one() -> None:
    assert len(OPTIONS) > 25
    for path, name in OPTIONS:
        for value in ("", "  "):
            result = CliRunner().invoke(main, [*path, name, value], prog_name="bookbot-worker")
            assert result.exit_code == 2, (path, name)
            assert result.stdout == ""
            assert result.stderr == f"Error: {name} is empty (see bookbot-worker {' '.join(path)} --help)\n"


def test_nothing_is_enqueued_for_an_empty_book(session: Session) -> None:
    given = ("--book", "--chunk", "--queue", "--unique-key", "--run-at", "--depends-on", "--props")
    for name in given:
        assert CliRunner().invoke(main, ["jobs", "enqueue", "demo", name, ""]).exit_code == 2
    assert session.scalar(select(func.count()).select_from(Job)) == 0


def test_an_empty_argument_is_refused_too() -> None:
    cases = ["show", "logs", "watch", "cancel", "retry", "why", "enqueue"]
    for command in [*(["jobs", name] for name in cases), ["books", "show"], ["files", "save"]]:
        result = CliRunner().invoke(main, [*command, ""])
        assert result.exit_code == 2, command
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
