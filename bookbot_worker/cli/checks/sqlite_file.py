"""Whether SQLite's file has room on its disk, can be written, and is rid of its log from time to time."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bookbot_worker.cli.checks import Finding, fail, ok, warn

MIB = 1024 * 1024
LITTLE_ROOM = 1024 * MIB
NO_ROOM = 100 * MIB
LARGE_LOG = 256 * MIB


def check_file(path: Path) -> Iterator[Finding]:
    """The file at `path`, its disk and its log."""
    free = shutil.disk_usage(path.parent).free
    left = f"{free // MIB} MiB are free in {path.parent}"
    if free < NO_ROOM:
        yield fail("disk", left, "free some space: nothing can be stored soon")
    elif free < LITTLE_ROOM:
        yield warn("disk", left, "free some space")
    else:
        yield ok("disk", f"{free // (1024 * MIB)} GiB are free")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        yield fail("file", f"{path} or its directory cannot be written", "give it to the user the worker runs as")
    wal = path.with_name(path.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > LARGE_LOG:
        yield warn(
            "write-ahead log", f"{size // MIB} MiB", "some process reads without an end; restart web and workers"
        )
    else:
        yield ok("write-ahead log", f"{size // MIB} MiB")
