"""Commands as they stand in documents and in the help, read as click would read them."""

import re
import shlex
from collections.abc import Iterator

import click


def parse(program: click.Command, name: str, words: list[str]) -> None:
    """Let click read the words as it would; raises UsageError where a command or an option does not exist."""
    while isinstance(program, click.Group):
        context = click.Context(program, info_name=name)
        options = [word for word in words if word.startswith("-")]
        if words and words[0] in options:
            known = {option for param in program.get_params(context) for option in param.opts}
            assert words[0] in known, f"{name} has no option {words[0]}"
            words = words[1:]
            continue
        if not words or words[0] == "…":
            return
        name, words = words[0], words[1:]
        command = program.get_command(context, name)
        assert command is not None, f"there is no command {name}"
        program = command
    if "…" not in words:
        program.make_context(name, words)


def leaves(program: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something by itself, with the words that name it."""
    if not isinstance(program, click.Group):
        yield path, program
        return
    if program.invoke_without_command:
        yield path, program
    context = click.Context(program)
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        yield from leaves(command, (*path, name))


def examples(command: click.Command, program: str) -> list[list[str]]:
    """The examples in a command's help: the words of each line that begins with `program`, settings before it aside."""
    lines = (line.strip() for line in (command.help or "").splitlines())
    found = [re.match(rf"(?:[A-Z_]+=\S+ )*({program} [^|>]*)", line) for line in lines]
    return [shlex.split(match[1]) for match in found if match]
