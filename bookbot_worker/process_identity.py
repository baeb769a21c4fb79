"""Who a process is, so that another one on the same machine can tell for certain that it is gone.

The identity names the kernel's boot, the pid namespace, and when the process started: pids are used again, host names
are shared by containers. Where /proc does not show these, nothing can be told, and a dead worker is noticed only when
its lease is over.
"""

import contextlib
import os
from pathlib import Path

_PROC = Path("/proc")
_GONE = ("Z", "X")
"""States of a process that has ended and only waits for its parent to notice."""


def identity(pid: int) -> str | None:
    """Boot, namespace and start of the process `pid` of this namespace; None where that cannot be known."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = (_PROC / "self/ns/pid").readlink()
        return f"{boot} {namespace} {_stat(pid)[1]}"
    except OSError:
        return None


def is_gone(pid: int, identity_then: str | None) -> bool:
    """Whether the process that had this pid and identity has certainly ended. False where that cannot be known."""
    ours = identity(os.getpid())
    if identity_then is None or ours is None or ours.rpartition(" ")[0] != identity_then.rpartition(" ")[0]:
        return False
    try:
        os.kill(pid, 0)  # also sees processes that /proc hides from us (hidepid)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    with contextlib.suppress(OSError):
        state, started = _stat(pid)
        return state in _GONE or started != identity_then.rpartition(" ")[2]
    return False


def _stat(pid: int) -> tuple[str, str]:
    """State and start (clock ticks since boot) of a process: fields 3 and 22 of its stat, see proc(5)."""
    fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return fields[0], fields[19]


def own_pid() -> int:
    """The pid of this process, without asking the system each time (10 µs on some machines)."""
    return _own_pid


def _note_own_pid() -> None:
    global _own_pid
    _own_pid = os.getpid()


_own_pid = os.getpid()
os.register_at_fork(after_in_child=_note_own_pid)
