"""Where a contestant runs: a fresh, empty database of its own, and the processes it starts."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.machine import family_cpu
from shared import schema
from shared.database import make_engine
from shared.settings import Settings, load_settings
from tests.support.postgres import execute

Figures = dict[str, float]

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Place:
    """A database and a folder. `size` makes everything smaller: 1.0, or less with --quick."""

    url: str
    folder: Path
    server_pid: int
    size: float = 1.0
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def count(self, whole: int, least: int = 50) -> int:
        """So many, or fewer where this is a quick run."""
        return max(int(whole * self.size), least)

    def settings(self, **values: Any) -> Settings:
        """This project's settings for the database."""
        return load_settings(database_url=self.url, **values)

    def migrated(self, **values: Any) -> Settings:
        """The same, with this project's tables in it."""
        settings = self.settings(**values)
        engine = make_engine(settings)
        schema.upgrade(engine)
        engine.dispose()
        return settings

    def query(self, statement: str, *arguments: Any) -> Any:
        """The one value a statement of PostgreSQL answers."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), arguments or None)
            row = cursor.fetchone() if cursor.description else None
            return None if row is None else row[0]

    def server_cpu(self) -> float:
        """CPU seconds of PostgreSQL's processes so far."""
        return family_cpu(self.server_pid)

    def on_sqlite(self) -> "Place":
        """The same with a file for a database."""
        return Place(f"sqlite:///{self.folder / 'bench.db'}", self.folder, 0, self.size, self.running)

    def environment(self, **more: str) -> dict[str, str]:
        """That of the processes that run here."""
        return os.environ | {"PYTHONPATH": str(ROOT), "DATABASE_URL": self.url} | more

    def child(self, module: str, *arguments: object, **environment: str) -> "subprocess.Popen[bytes]":
        """A Python program of its own; what it says on standard output is for `answer`."""
        log = (self.folder / f"{module}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
        )
        log.close()
        self.running.append(process)
        return process

    def answer(self, process: "subprocess.Popen[bytes]", seconds: float = 300.0) -> dict[str, Any]:
        """The JSON document on the last line a child says before it ends."""
        said, _ = process.communicate(timeout=seconds)
        assert process.returncode == 0, (self.folder, process.args, said[-2000:])
        answer: dict[str, Any] = json.loads(said.splitlines()[-1])
        return answer


@contextmanager
def place(server_url: str, server_pid: int, number: int, size: float) -> Iterator[Place]:
    """A place on a server, and nothing of it left afterwards."""
    name = f"bench_{number}"
    execute(server_url, f"CREATE DATABASE {name}")
    with tempfile.TemporaryDirectory() as folder:
        here = Place(f"{server_url.rsplit('/', 1)[0]}/{name}", Path(folder), server_pid, size)
        try:
            yield here
        finally:
            for process in here.running:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
            execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")
