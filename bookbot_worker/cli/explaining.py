"""What an error tells a person: one sentence and an exit code, without passwords."""

import re
import sqlite3
import traceback

import click
import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bookbot_worker.cli.exit_codes import ExitCode
from bookbot_worker.cli.output import one_line, shown
from shared.errors import BookbotError, ConfigurationError, InvalidInput, NotFound, SchemaMismatch

# To the last @ of the word: a password may hold @ and / that nobody escaped. Rather too much is hidden than too little.
_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*:)\S*@")


def explain(error: Exception) -> tuple[str, int]:
    """The sentence for a person, on one line, and the exit code of `error`."""
    sentence, code = _explain(error)
    return one_line(without_password(sentence)), code


def traceback_of(error: Exception) -> str:
    """The traceback of `error`, as harmless as any other text."""
    return shown(without_password("".join(traceback.format_exception(error)))).rstrip()


def without_password(text: str) -> str:
    """`text` with the password of every URL in it hidden."""
    return _PASSWORD_IN_URL.sub(r"\1***@", text)


def _explain(error: Exception) -> tuple[str, int]:
    match error:
        case click.UsageError():
            where = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            return error.format_message() + where, ExitCode.USAGE
        case click.ClickException():
            return error.format_message(), error.exit_code
        case BookbotError():
            return str(error), exit_code_of(error)
        case DBAPIError():
            return f"the database answers: {error.orig}", ExitCode.FAILED
        case psycopg.Error() | sqlite3.Error():
            return f"the database answers: {error}", ExitCode.FAILED
        case PoolTimeout():
            return "the database has no free connection", ExitCode.FAILED
        case SQLAlchemyError():
            return f"database: {error}", ExitCode.FAILED
        case OSError():
            return f"{error.filename or 'input/output'}: {error.strerror or error}", ExitCode.FAILED
        case _:
            return f"unexpected {type(error).__name__}: {error}; --debug shows where", ExitCode.FAILED


def exit_code_of(error: BookbotError) -> ExitCode:
    """How a command ends that met this error."""
    match error:
        case InvalidInput():
            return ExitCode.USAGE
        case NotFound():
            return ExitCode.NOT_FOUND
        case ConfigurationError() | SchemaMismatch():
            return ExitCode.CONFIGURATION
        case _:
            return ExitCode.FAILED
