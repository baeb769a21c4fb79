"""Every command explains itself: its help has examples of it, and each can be typed as it stands."""

import click
import pytest
from click.testing import CliRunner

from bookbot_worker.cli.main import main
from tests.support.commands import examples, leaves, parse

pytestmark = pytest.mark.unit

PROGRAM = "bookbot-worker"
COMMANDS = dict(leaves(main, (PROGRAM,)))

every_command = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


def test_there_are_commands_to_check() -> None:
    assert {(PROGRAM, "run"), (PROGRAM, "workers"), (PROGRAM, "workers", "pause")} <= COMMANDS.keys()


@every_command
def test_its_help_shows_how_it_is_typed(path: tuple[str, ...]) -> None:
    shown = examples(COMMANDS[path], PROGRAM)
    own = [words for words in shown if tuple(words[: len(path)]) == path]
    assert own, f"the help of {' '.join(path)} has no example of it"
    for words in shown:
        parse(main, PROGRAM, words[1:])


@every_command
def test_its_help_begins_with_a_sentence_and_keeps_examples_in_lines_of_their_own(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    first = (command.help or "").splitlines()[0]
    assert first[:1].isupper()
    assert first.endswith((".", ":"))
    answer = CliRunner().invoke(main, [*path[1:], "--help"], terminal_width=200)
    assert answer.exit_code == 0
    lines = [line.strip() for line in answer.stdout.splitlines()]
    assert len([line for line in lines if PROGRAM in line and not line.startswith("Usage:")]) >= len(
        examples(command, PROGRAM)
    )


def test_an_example_that_cannot_be_typed_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(main, PROGRAM, ["workers", "pause", "host1", "--no-such-option"])
