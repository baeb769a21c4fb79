"""A raw client of event streams: sockets and lines, so that it can be cut anywhere, or read nothing at all."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Told:
    """One event; `ident` is its own id, None where it has none."""

    name: str
    data: Any
    ident: str | None


class Stream:
    """One open stream. `receive_buffer`: bytes the system keeps for us, to fill up soon when nobody reads."""

    def __init__(self, url: str, last_id: str | None = None, receive_buffer: int = 0, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(timeout)
        self._socket.connect((parts.hostname or "", parts.port or 80))
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        header = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{header}\r\n".encode())
        self._file: Any = None
        self.headers: dict[str, str] = {}
        self.status = 0

    def events(self) -> Iterator[Told]:
        """Events as they come, until the server ends the stream. Raises OSError where it is cut."""
        name, data, ident = "message", "", None
        for line in self._lines():
            if line == "":
                if data:
                    yield Told(name, json.loads(data), ident)
                name, data, ident = "message", "", None
            elif line.startswith(":"):
                continue
            else:
                field, _, value = line.partition(": ")
                match field:
                    case "event":
                        name = value
                    case "data":
                        data += value
                    case "id":
                        ident = value

    def read_head(self) -> int:
        """Read status and headers; returns the status."""
        if not self.status:
            self._file = self._socket.makefile("rb")
            self.status = int(self._need().split()[1])
            while line := self._need().strip():
                field, _, value = line.partition(": ")
                self.headers[field.lower()] = value
        return self.status

    def body(self) -> bytes:
        """The rest of an answer that is no stream."""
        content: bytes = self._file.read(int(self.headers["content-length"]))
        return content

    def close(self) -> None:
        """Cut it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._file is not None:
            self._file.close()
        self._socket.close()

    def _lines(self) -> Iterator[str]:
        """The lines of the body, which comes in chunks that end anywhere."""
        assert self.read_head() == 200, self.status
        rest = b""
        while size := int(self._need(), 16):
            rest += self._file.read(size)
            self._need()
            *whole, rest = rest.split(b"\n")
            yield from (line.decode() for line in whole)

    def _need(self) -> str:
        line: bytes = self._file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the stream was cut")
        return line.decode().rstrip("\r\n")
