"""Processes that a test starts, and that end with it: also where the test run itself is killed hard."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="starts-processes")
"""The kernel counts the *thread* that started a process as its parent; this one lives as long as the test run."""


def spawn(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; where the system can, it is killed when this process ends."""

    def start() -> subprocess.Popen[bytes]:
        whole = [*_ends_with_us(), *command]
        return subprocess.Popen(whole, stdin=subprocess.DEVNULL, start_new_session=True, **options)

    return _STARTER.submit(start).result()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what `spawn` has started, with all its children that stayed in its group, and reap it.

    Once it is reaped, its number stands for its group as long as that has members; after that for a stranger.
    """
    if process.poll() is None or not state_of(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=20)


def state_of(pid: int) -> str:
    """One letter, as in ps: R, S, T (stopped), t (traced), Z; empty where there is no such process."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def thread_ids(pid: int) -> set[int]:
    """The numbers of all threads of a process; the first thread has the number of the process."""
    return {int(entry.name) for entry in (_PROC / str(pid) / "task").iterdir()}


def tracer_of(thread: int) -> int:
    """The pid of what traces this thread, 0 if nothing does."""
    [line] = [line for line in (_PROC / str(thread) / "status").read_text().splitlines() if "TracerPid" in line]
    return int(line.split()[1])


def working_in(folder: Path) -> list[int]:
    """The pids of all processes whose working directory is `folder`, the oldest first."""
    found = []
    for entry in _PROC.iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return sorted(found)


@lru_cache(maxsize=1)
def _ends_with_us() -> tuple[str, ...]:
    program = shutil.which("setpriv")
    return (program, "--pdeathsig", "KILL", "--") if program else ()
