"""What can happen to an SQLite file: others hold it, its disk fills up, a process dies within a system call."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.database import Database
from tests.support.fleet import Worker
from tests.support.processes import spawn, tracer_of
from tests.support.running import eventually

_HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute(sys.argv[2])
print(connection.execute("SELECT count(*) FROM jobs").fetchone()[0], flush=True)
sys.stdin.read()
print(connection.execute("SELECT count(*) FROM jobs").fetchone()[0], flush=True)
"""


def path_of(database: Database) -> Path:
    """The file."""
    return Path(str(database.engine.url.database))


@contextmanager
def held(database: Database, begin: str) -> Iterator[None]:
    """Another process keeps a transaction open in the block, begun so; of the block's writes it must see nothing."""
    command = [sys.executable, "-c", _HOLDER, str(path_of(database)), begin]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        seen = holder.stdout.readline()
        try:
            yield
        finally:
            holder.stdin.close()
            still_seen = holder.stdout.read()
    assert holder.returncode == 0
    assert still_seen == seen != ""


def check_file(database: Database) -> None:
    """SQLite itself finds nothing wrong with the file, also after it has read the journal anew."""
    with closing(sqlite3.connect(path_of(database))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def dies_within(worker: Worker, call: str, when: int) -> None:
    """Each thread counts from now on; the first whose `when`-th call of this kind comes kills the process there."""
    threads = sorted(worker.threads())
    attached = [part for thread in threads for part in ("-p", str(thread))]
    output = worker.log.with_suffix(".strace")
    inject = f"inject={call}:signal=KILL:when={when}"
    command = ["strace", "-qq", "-o", str(output), "-e", f"trace={call}", "-e", inject, *attached]
    worker.tracers.append(spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    eventually(lambda: not worker.is_alive or all(map(_is_traced, threads)))  # it may die while we look


def _is_traced(thread: int) -> bool:
    """Or has ended."""
    with contextlib.suppress(OSError):
        return bool(tracer_of(thread))
    return True


class SmallDisk:
    """A file system of its own, of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._ballast.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"\0" * 4096)

    def clear(self) -> None:
        """Give the room back."""
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A disk mounted at `folder` in the block; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {os.fsdecode(mounted.stderr).strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
