"""Events as entries of systemd's journal, each with its fields and its priority: `journalctl BOOKBOT_JOB_ID=…`.

Owns the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL: one datagram an entry) and what an entry looks
like. An entry that the journal does not take is written as a line instead, with the prefix that keeps its priority.
"""

import json
import os
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from shared.text import visible

SOCKET = "/run/systemd/journal/socket"

PATIENCE = 0.2
"""Seconds to wait for a journal that takes nothing; then the entry is dropped, because the loop must go on."""

PREFIX = "BOOKBOT_"
IDENTIFIER = "bookbot-worker"

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_LONGEST_NAME = 64
_NOT_IN_A_NAME = re.compile(r"[^A-Z0-9_]")


def leads_to_journal(stream: TextIO) -> bool:
    """Whether `stream` is what systemd has connected with the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Journal:
    """A structlog renderer and the logger it renders for. `fall_back` writes a line where the journal refuses one."""

    def __init__(self, fall_back: Callable[[str], None], address: str | None = None) -> None:
        self._fall_back = fall_back
        self._address = address or SOCKET

    def render(self, _logger: Any, _method: str, event: Mapping[str, Any]) -> tuple[tuple[str, bytes], dict[str, Any]]:
        """The arguments of `msg`: the line to fall back to, and the entry."""
        fields = {str(name): value if isinstance(value, str) else _as_json(value) for name, value in event.items()}
        name, level = fields.pop("event", ""), fields.pop("level", "info")
        fields.pop("timestamp", None)  # the journal has its own
        trace = fields.pop("exception", "")
        message = " ".join([visible(name), *(f"{field}={_word(value)}" for field, value in fields.items())])
        priority = str(_PRIORITIES.get(level, 6))
        entry = {
            "MESSAGE": f"{message}\n{trace}" if trace else message,
            "PRIORITY": priority,
            "SYSLOG_IDENTIFIER": IDENTIFIER,
            f"{PREFIX}EVENT": name,
            **{_field_name(field): value for field, value in fields.items()},
        }
        return (f"<{priority}>{message}", b"".join(_encoded(*item) for item in entry.items())), {}

    def msg(self, line: str, entry: bytes) -> None:
        """Hand over one entry."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.settimeout(PATIENCE)
                connection.sendto(entry, self._address)
        except TimeoutError:
            return
        except OSError:
            self._fall_back(line)

    debug = info = warning = error = critical = exception = msg


def _field_name(name: str) -> str:
    """BOOKBOT_JOB_ID: the journal drops fields whose names hold anything else."""
    return (PREFIX + _NOT_IN_A_NAME.sub("_", name.upper()))[:_LONGEST_NAME]


def _encoded(name: str, value: str) -> bytes:
    """A value is preceded by its length, so that a line break in it begins no other field."""
    data = value.encode("utf-8", "backslashreplace")
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


def _as_json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _word(value: str) -> str:
    """As it is where it is one plain word, else quoted."""
    return value if re.fullmatch(r"[\w.:/@+-]+", value, re.ASCII) else visible(json.dumps(value, ensure_ascii=False))
