"""The exit codes of every command, and which error ends with which."""

from enum import IntEnum

from shared.errors import BookbotError, ConfigurationError, InvalidInput, NotFound, SchemaMismatch


class ExitCode(IntEnum):
    """What a command's exit tells a script; 78 is EX_CONFIG of sysexits.h, which systemd does not restart on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFIGURATION = 78
    INTERRUPTED = 130


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
