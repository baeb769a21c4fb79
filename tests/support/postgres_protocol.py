"""As much of PostgreSQL's wire protocol as a proxy must understand to strike at one commit and not at another.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import struct
from collections.abc import Iterator

STARTUP_LIMIT = 10_000
"""Bytes; libpq's own limit for the packet that opens a session."""

STARTUP_LEAST = 8
"""Bytes of the shortest such packet: its length and its code."""

NEGOTIATIONS = (80877103, 80877104)
"""Codes of SSLRequest and GSSENCRequest."""

REFUSED = b"N"
"""The answer to either: not here."""

MEMORY = 1024 * 1024
"""Bytes of one transaction that are remembered."""


class Messages:
    """Cuts a stream of typed messages where they end."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are complete now."""
        data = self._rest + data
        start = 0
        while len(data) - start >= 5:
            end = start + 1 + struct.unpack_from("!I", data, start + 1)[0]
            if end > len(data):
                break
            yield data[start:end]
            start = end
        self._rest = data[start:]


class Conversation:
    """What a client has said in its present transaction, prepared statements by their text."""

    def __init__(self) -> None:
        self._prepared: dict[bytes, bytes] = {}
        self._said = bytearray()
        self._has_begun = False

    def client_says(self, message: bytes) -> bytes:
        """Remember a message of the client; returns the statement in it, in capitals, if there is one."""
        kind, body = message[:1], message[5:]
        statement = b""
        if kind == b"Q":
            statement = body
        elif kind == b"P":
            name, statement, _ = body.split(b"\0", 2)
            self._prepared[name] = statement
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            statement = self._prepared.get(name, b"")
        if kind in b"QPB":
            self._said += statement + body
            del self._said[:-MEMORY]
        statement = statement.strip(b" ;\0\n").upper()
        self._has_begun = self._has_begun or statement.startswith(b"BEGIN")
        return statement

    def server_says(self, message: bytes) -> None:
        """ReadyForQuery outside a transaction: what is said from now on belongs to the next one."""
        if is_ready(message):
            self._said.clear()
            self._has_begun = False

    @property
    def commits_itself(self) -> bool:
        """Whether what is said stands in no transaction that somebody has begun."""
        return bool(self._said) and not self._has_begun

    def has_said(self, words: bytes | None) -> bool:
        """Whether the words were in this transaction, in a statement or in its parameters."""
        return words is None or words in self._said


def is_commit(statement: bytes) -> bool:
    """Whether a client's statement ends its transaction for good."""
    return statement in (b"COMMIT", b"END")


def is_ready(message: bytes) -> bool:
    """Whether the server says that it is done, and in no transaction."""
    return message == b"Z\0\0\0\x05I"


def acknowledges_commit(message: bytes) -> bool:
    """Whether a message of the server's says that the commit is done."""
    return message == b"C\0\0\0\x0bCOMMIT\0"


def startup_code(packet: bytes) -> int:
    """What the packet that opens a session asks for."""
    code: int = struct.unpack_from("!I", packet, 4)[0]
    return code
