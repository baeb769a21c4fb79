"""Rendering in a process of its own, seen from the worker: progress comes back, then the file, or why there is none.

Owns the child's life: it ends with the block that asked for it, whatever happens there. What runs in it is `child.py`.
"""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from bookbot_worker.exporters import Exporter, ExportFailed, Progress
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions

_MEGABYTE = 1024 * 1024
_STDERR_TAIL = 2_000
# On many cores Typst would start as many threads, each with address space of its own: 1.3 GB with 64, for a book that
# takes 0.4 GB with 4, in the same time.
_FEW_THREADS = {"RAYON_NUM_THREADS": "4", "MALLOC_ARENA_MAX": "4"}
# What a library in Rust says before it aborts: an allocation failed, or a thread could not have its stack.
_OUT_OF_MEMORY = ("memory allocation", "Cannot allocate memory", "Resource temporarily unavailable")
# Nothing of the worker's settings: a format needs no database and no key.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one rendering may take."""

    memory_mb: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of the child while it works. `closing` kills it when the job is asked to stop."""

    progress: Progress
    warn: Callable[[str], None]
    closing: Callable[[Callable[[], object]], AbstractContextManager[None]]


def render(
    exporter: Exporter, manuscript: Manuscript, options: ExportOptions, limits: Limits, listener: Listener
) -> bytes:
    """The file's bytes. Raises ExportFailed in words, and what `listener` raises."""
    order = pickle.dumps((exporter, manuscript, options))
    with tempfile.TemporaryFile() as errors, _child(limits, errors) as process:
        try:
            with listener.closing(process.kill):
                return _told(process, order, limits, listener, errors)
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                cast(IO[bytes], process.stdin).close()


def _child(limits: Limits, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    environment |= {"PYTHONPATH": path, "PYTHONHASHSEED": "0", **_FEW_THREADS}
    bounds = [str(limits.memory_mb * _MEGABYTE), str(limits.seconds)]
    return subprocess.Popen(  # noqa: S603 - this program, and numbers
        [sys.executable, "-P", "-m", "bookbot_worker.exporters.child", *bounds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=True,
    )


def _told(
    process: subprocess.Popen[bytes], order: bytes, limits: Limits, listener: Listener, errors: IO[bytes]
) -> bytes:
    """Hand over the order, then pass on what the child says, up to the file."""
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    with contextlib.suppress(BrokenPipeError):  # it has died already: its exit says why
        stdin.write(order)
        stdin.flush()
    for line in stdout:
        match _parsed(line):
            case {"progress": fraction, "message": message}:
                listener.progress(fraction, message)
            case {"warning": message}:
                listener.warn(message)
            case {"failed": "memory"}:
                raise ExportFailed(_too_large(limits))
            case {"failed": message}:
                raise ExportFailed(message)
            case {"size": size}:
                content = stdout.read(size)
                if len(content) == size:
                    return content
    raise ExportFailed(_why_dead(process.wait(), limits, errors))


def _parsed(line: bytes) -> Any:
    """What a line says; None for the half line of a child that died."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _too_large(limits: Limits) -> str:
    return f"the export needs more than {limits.memory_mb} MB of memory, which is BOOKBOT_EXPORT_MEMORY_MB"


def _why_dead(code: int, limits: Limits, errors: IO[bytes]) -> str:
    """One sentence for a child that ended without a word of its own."""
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _STDERR_TAIL))
    tail = errors.read().decode(errors="replace").strip()
    last = tail.rpartition("\n")[2]
    if code == -signal.SIGALRM:
        return f"the export took longer than {limits.seconds:g} s, which is BOOKBOT_EXPORT_SECONDS"
    if any(sign in tail for sign in _OUT_OF_MEMORY):
        return _too_large(limits)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"the exporting process {how}{f': {last}' if last else ''}"
