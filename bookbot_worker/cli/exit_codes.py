"""The exit codes of every command; which error ends with which is in `explaining.py`."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit tells a script; 75 and 78 are EX_TEMPFAIL and EX_CONFIG of sysexits.h.

    After 75 whoever supervises should start a new worker; after 78 that would not help.
    """

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    RECYCLE = 75
    CONFIGURATION = 78
    INTERRUPTED = 130
