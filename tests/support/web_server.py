"""A real `bookbot-web` process, that can be ended and started again on the same port."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.settings import Settings
from tests.support.docs import ROOT
from tests.support.postgres import free_port
from tests.support.processes import kill_group, spawn
from tests.support.running import eventually


class WebServer:
    """One port, and the process that serves it."""

    def __init__(self, settings: Settings, log: Path, env: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._environment = {**os.environ, "DATABASE_URL": settings.database_url.get_secret_value(), **env}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "bookbot_web", "--port", str(self.port)]
        with self.log.open("ab") as target:
            self._process = spawn(command, env=self._environment, cwd=ROOT, stdout=target, stderr=target)
        eventually(self._answers, 60)

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Send the signal and wait; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self) -> None:
        """Kill what is left."""
        if self._process is not None:
            kill_group(self._process)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/api/health", timeout=10):  # noqa: S310 - our own server
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return True
        except OSError:
            return False


@contextmanager
def web_server(settings: Settings, folder: Path, **env: str) -> Iterator[WebServer]:
    """A running server on the database of `settings`; `env` is set for it."""
    server = WebServer(settings, folder / "web.log", env)
    try:
        server.start()
        yield server
    finally:
        server.close()
