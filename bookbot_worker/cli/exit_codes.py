"""The exit codes of every command; which error ends with which is in `explaining.py`."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit tells a script; 78 is EX_CONFIG of sysexits.h, which systemd does not restart on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFIGURATION = 78
    INTERRUPTED = 130
