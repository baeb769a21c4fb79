"""PgBouncer in transaction mode, in front of a server that a test hurts; killed and started again at will."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import free_port, unprivileged
from tests.support.processes import kill_group, spawn
from tests.support.running import eventually


def program() -> str:
    """Debian keeps it where only root looks. TEST_POOLER=required makes its absence a failure."""
    if found := shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin"):
        return found
    if os.environ.get("TEST_POOLER") == "required":
        pytest.fail("TEST_POOLER=required, and pgbouncer is not installed")
    pytest.skip("pgbouncer is not installed (TEST_POOLER=required makes this a failure)")


class Pooler:
    """`sessions`: of the server, which all clients share; those that nobody uses are closed after a second."""

    def __init__(self, database: str, port: int, folder: Path, sessions: int) -> None:
        self.port = free_port()
        self.log = folder / "pgbouncer.log"
        self._database = database
        self._config = folder / "pgbouncer.ini"
        self._process: subprocess.Popen[bytes] | None = None
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": sessions,
            "server_idle_timeout": 1,
            "server_login_retry": 1,
        }
        self._config.write_text(
            f"[databases]\n{database} = host=127.0.0.1 port={port} user=test\n[pgbouncer]\n"
            + "".join(f"{name} = {value}\n" for name, value in settings.items())
        )

    @property
    def url(self) -> str:
        """Leads through the pooler."""
        return f"postgresql://test@127.0.0.1:{self.port}/{self._database}"

    def start(self) -> None:
        """Start and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = spawn([*unprivileged(), program(), str(self._config)], stdout=log, stderr=log)
        eventually(self._answers)

    def kill(self) -> None:
        """End it at once: every client loses its connection, every session of the server its client."""
        if self._process is not None:
            kill_group(self._process)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url, connect_timeout=5).close()
            return True
        return False


@contextlib.contextmanager
def pooler(database: str, port: int, folder: Path, sessions: int) -> Iterator[Pooler]:
    """A running pooler in front of the server at `port`, gone at the end."""
    started = Pooler(database, port, folder, sessions)
    started.start()
    try:
        yield started
    finally:
        started.kill()
