"""Several hosts on one machine: each has a network namespace with an address of its own, a name, and its own pids.

They share a wire, a bridge, whose end on our side is where the database listens. Workers on different hosts can tell
nothing of each other's processes, as on real ones; a host that is cut off hears nothing, and nothing is reset. Linux
and root only.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.fleet import Worker

NETWORK = f"10.213.{os.getpid() % 250}"
"""The first three numbers of the addresses: one network for each process of the test run."""

BECOME = 'hostname "$0" && ip link set lo up && exec "$@"'


class Host:
    """One host. `under` is the command that makes another command run on it."""

    def __init__(self, number: int) -> None:
        self.name = f"host{number}"
        self.address = f"{NETWORK}.{number + 1}"
        self._namespace = f"bb-{os.getpid()}-{number}"
        self._wire = f"bb{os.getpid()}-{number}"

    @property
    def under(self) -> tuple[str, ...]:
        """As in `fleet.start(under=host.under)`. What runs on the host is a child of the process that is started."""
        own = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
        return ("ip", "netns", "exec", self._namespace, *own, "sh", "-c", BECOME, self.name)

    def connect(self, bridge: str) -> None:
        """Make it, and plug it in."""
        _ip("netns", "add", self._namespace)
        _ip("link", "add", self._wire, "type", "veth", "peer", "name", "eth0", "netns", self._namespace)
        _ip("link", "set", self._wire, "master", bridge, "up")
        _ip("-n", self._namespace, "addr", "add", f"{self.address}/24", "dev", "eth0")
        _ip("-n", self._namespace, "link", "set", "eth0", "up")

    def cut_off(self) -> None:
        """Pull the plug: nothing comes through, and nobody is told."""
        _ip("link", "set", self._wire, "down")

    def plug_in(self) -> None:
        """Put it back."""
        _ip("link", "set", self._wire, "up")

    def remove(self) -> None:
        """Unmake it; the wire goes with it."""
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self._namespace)


def signal_on_host(worker: Worker, number: signal.Signals) -> None:
    """Send the worker itself a signal, not what it was started by."""
    [child] = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    os.kill(int(child), number)


@contextlib.contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """So many hosts on one wire; `gateway()` is the address of our end."""
    bridge = f"bb{os.getpid()}"
    made = [Host(number) for number in range(1, count + 1)]
    _ip("link", "add", bridge, "type", "bridge")
    try:
        _ip("addr", "add", f"{gateway()}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for host in made:
            host.connect(bridge)
        yield made
    finally:
        for host in made:
            host.remove()
        _ip("link", "del", bridge)


def gateway() -> str:
    """Where the hosts find this machine."""
    return f"{NETWORK}.1"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)
