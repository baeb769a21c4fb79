"""The half of systemd that listens: a NOTIFY_SOCKET, and what a process has sent to it."""

import socket
import uuid
from pathlib import Path

from tests.support.running import eventually


class ServiceManager:
    """Collects the messages of one process. `is_abstract`: a name in no file system, as systemd uses in containers."""

    def __init__(self, folder: Path, *, is_abstract: bool = False) -> None:
        name = uuid.uuid4().hex[:12]
        self.address = f"@bookbot-test-{name}" if is_abstract else str(folder / f"notify-{name}")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(self.address.replace("@", "\0", 1) if is_abstract else self.address)
        self._messages: list[str] = []

    @property
    def messages(self) -> list[str]:
        """All that came so far, in order."""
        while True:
            try:
                self._messages.append(self._socket.recv(8192).decode())
            except BlockingIOError:
                return self._messages

    @property
    def lines(self) -> list[str]:
        """The assignments of all messages."""
        return [line for message in self.messages for line in message.splitlines()]

    def wait_for(self, line: str, times: int = 1) -> None:
        """Until some line, or so many of them, begin like this."""
        eventually(lambda: sum(told.startswith(line) for told in self.lines) >= times)

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()
