"""A real PgBouncer in transaction mode, in front of a database of the tests.

TEST_POOLER=required makes its absence a failure; continuous integration sets that.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from tests.support.postgres import free_port, unprivileged
from tests.support.running import eventually

SESSIONS = 3
"""Of the server, which all clients share: fewer than there are connections, so that they change hands all the time."""


def pgbouncer() -> str:
    """The program. Debian keeps it where only root looks."""
    if found := shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin"):
        return found
    if os.environ.get("TEST_POOLER") == "required":
        pytest.fail("TEST_POOLER=required, and pgbouncer is not installed")
    pytest.skip("pgbouncer is not installed (TEST_POOLER=required makes this a failure)")


class Pooler:
    """One pooler for one database; `url` leads through it."""

    def __init__(self, server_url: str, folder: Path, sessions: int) -> None:
        server = make_url(server_url)
        port = free_port()
        self.url: URL = server.set(host="127.0.0.1", port=port)
        self._log = folder / "pgbouncer.log"
        self._config = folder / "pgbouncer.ini"
        password = f"password={server.password}" if server.password else ""
        lines = (
            "[databases]",
            f"{server.database} = host={server.host} port={server.port} user={server.username} {password}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {port}",
            "unix_socket_dir =",
            "auth_type = any",
            "pool_mode = transaction",
            f"default_pool_size = {sessions}",
        )
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._command = [*unprivileged(), pgbouncer(), str(self._config)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("a") as log:
            process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._process = process
        eventually(lambda: self._answers() or process.poll() is not None)
        assert process.poll() is None, self._log.read_text()

    def kill(self) -> None:
        """End it at once, and every connection through it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False)).close()
            return True
        return False


@contextlib.contextmanager
def pooler(server_url: str, folder: Path, sessions: int = SESSIONS) -> Iterator[Pooler]:
    """A pooler at work in front of the database that `server_url` names."""
    one = Pooler(server_url, folder, sessions)
    one.start()
    try:
        yield one
    finally:
        one.kill()
