"""The outermost layer of every command: whatever goes wrong leaves as one line on stderr and an exit code.

This is one of the few places that catch every Exception; `--debug` shows the traceback instead of swallowing it.
"""

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from bookbot_worker.cli.exit_codes import ExitCode

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Boundary(click.Group):
    """A root group whose `main` never lets a traceback out."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit with its code."""
        open_closed_streams()
        arguments = list(sys.argv[1:] if args is None else args)
        name = prog_name or "bookbot-worker"
        if not standalone_mode:
            return super().main(arguments, name, complete_var, False, **extra)
        try:
            if any(_LONE_SURROGATE.search(argument) for argument in arguments):
                raise click.UsageError("an argument is not UTF-8 text")
            result = super().main(arguments, name, complete_var, False, **extra)
            code = result if isinstance(result, int) else ExitCode.OK
            code = _flush(code)
        except click.Abort:
            _tell("Interrupted.")
            code = ExitCode.INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the boundary: everything becomes one line and a code
            code = report(error, "--debug" in arguments)
            with contextlib.suppress(OSError):
                _flush(code)
        sys.exit(int(code))

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments, which prints `--help`; a reader of stdout that has enough (`| head`) is no error."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError:
            _give_up(sys.stdout)
            raise click.exceptions.Exit(ExitCode.OK) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, for which the same holds."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _give_up(sys.stdout)
            return ExitCode.OK


def open_closed_streams() -> None:
    """Put the null device where a standard stream was closed before we started (`>&-`): Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


def report(error: Exception, debug: bool) -> int:
    """Explain `error` on stderr; returns the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        with contextlib.suppress(OSError):
            error.show()
        return ExitCode.USAGE
    from bookbot_worker.cli.explaining import explain, traceback_of  # brings the database, for its errors

    if debug:
        _tell(traceback_of(error))
    message, code = explain(error)
    _tell(f"Error: {message}")
    return code


def _tell(text: str) -> None:
    """Say something on stderr. Where that cannot be written, the exit code has to do."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def _flush(code: int) -> int:
    """Hand stdout over before Python does so at exit, where nobody could answer for it. Raises OSError."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up(sys.stdout)
    except OSError:
        _give_up(sys.stdout)
        raise
    return code


def _give_up(stream: TextIO) -> None:
    """What `stream` still holds goes to the null device: Python flushes it at exit, which must not complain either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
