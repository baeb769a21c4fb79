"""The outermost layer of every command: whatever goes wrong leaves as one line on stderr and an exit code.

This is one of the few places that catch every Exception; `--debug` shows the traceback instead of swallowing it.
"""

import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bookbot_worker.cli.exit_codes import ExitCode, exit_code_of
from bookbot_worker.cli.output import one_line
from shared.errors import BookbotError

_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*:)[^@\s]*@")
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
        arguments = list(sys.argv[1:] if args is None else args)
        name = prog_name or "bookbot-worker"
        if not standalone_mode:
            return super().main(arguments, name, complete_var, False, **extra)
        try:
            if any(_LONE_SURROGATE.search(argument) for argument in arguments):
                raise click.UsageError("an argument is not UTF-8 text")
            result = super().main(arguments, name, complete_var, False, **extra)
            code = result if isinstance(result, int) else ExitCode.OK
        except Exception as error:  # noqa: BLE001 - the boundary: everything becomes one line and a code
            code = report(error, "--debug" in arguments)
        sys.exit(int(code))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of stdout that has enough (`| head`) is no error."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes stdout once more at exit, which must not complain either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.OK
        return result


def report(error: Exception, debug: bool) -> int:
    """Explain `error` on stderr; returns the exit code."""
    if debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return ExitCode.USAGE
    message, code = explain(error)
    click.echo(f"Error: {one_line(message)}" if code != ExitCode.INTERRUPTED else message, err=True)
    return code


def explain(error: Exception) -> tuple[str, int]:
    """The sentence for a person and the exit code of `error`."""
    match error:
        case click.Abort():
            return "Interrupted.", ExitCode.INTERRUPTED
        case click.UsageError():
            where = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            return error.format_message() + where, ExitCode.USAGE
        case click.ClickException():
            return error.format_message(), error.exit_code
        case BookbotError():
            return str(error), exit_code_of(error)
        case DBAPIError():
            return f"the database answers: {_of_driver(error)}", ExitCode.FAILED
        case PoolTimeout():
            return "the database has no free connection", ExitCode.FAILED
        case SQLAlchemyError():
            return f"database: {error}", ExitCode.FAILED
        case OSError():
            return f"{error.filename or 'input/output'}: {error.strerror or error}", ExitCode.FAILED
        case _:
            return f"unexpected {type(error).__name__}: {error}; --debug shows where", ExitCode.FAILED


def _of_driver(error: DBAPIError) -> str:
    """The driver's own words on one line, without a password."""
    return _PASSWORD_IN_URL.sub(r"\1***@", " ".join(str(error.orig).split()))
