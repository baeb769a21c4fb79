"""What this machine does while something is measured: whose CPU time it was, and how much memory and how many sessions.

Read from Linux's /proc. A round in which other processes took more than a tenth of the CPU says nothing, and is thrown
away.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")

MOST_OTHERS = 0.10
"""The part of the machine that others may take."""


def family(*roots: int) -> set[int]:
    """The processes `roots` and all that descend from them."""
    parents = {pid: int(fields[1]) for pid in _pids() if (fields := _stat(pid))}
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(pid: int, *, with_children: bool = False) -> float:
    """User and system time of a process; with those of its children that have ended."""
    fields = _stat(pid)
    return sum(int(ticks) for ticks in fields[11 : 15 if with_children else 13]) / _TICK if fields else 0.0


def family_cpu(*roots: int) -> float:
    """The same of a whole family, living and ended."""
    return sum(cpu_seconds(pid, with_children=True) for pid in family(*roots))


def most_memory(pid: int) -> float:
    """The largest resident set so far, in megabytes."""
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def describe() -> str:
    """The machine, in a line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in (_PROC / "cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown processor",
    )
    return f"{os.cpu_count()} cores ({model}), Linux {os.uname().release}"


@dataclass
class Watch:
    """From `begin` on: the part of the machine that processes outside our family have taken."""

    roots: tuple[int, ...]
    _busy: float = 0.0
    _ours: float = 0.0
    _since: float = 0.0

    def begin(self) -> "Watch":
        """Look at the clocks."""
        self._busy, self._ours, self._since = _machine_cpu(), family_cpu(*self.roots), time.monotonic()
        return self

    def others(self) -> float:
        """Their part since then, from 0 to 1."""
        took = (time.monotonic() - self._since) * (os.cpu_count() or 1)
        theirs = (_machine_cpu() - self._busy) - (family_cpu(*self.roots) - self._ours)
        return max(theirs / took, 0.0) if took else 0.0


def _machine_cpu() -> float:
    """All time that was not idle, waiting for a disk included in idle."""
    ticks = [int(word) for word in (_PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICK


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
