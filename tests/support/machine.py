"""A machine with a real systemd: booted over this machine's own root, of which it sees a copy that is gone with it.

Needs root, Linux and systemd-nspawn (Debian: systemd-container, dbus). The network is this machine's, so that a
PostgreSQL on 127.0.0.1 outside is reachable inside. The mount that shows our root lives in a mount namespace of its
own: nothing that is cleaned up outside can reach through it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.docs import ROOT
from tests.support.processes import kill_group, spawn
from tests.support.running import eventually

HOME = Path("/opt/bookbot")
"""Where the units expect the virtual environment; inside the machine only."""

PACKAGES = ("shared", "bookbot_worker", "bookbot_web")
BUILT_WITH = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")

TARGET = """[Unit]
Requires=sysinit.target dbus.service
After=sysinit.target dbus.service
AllowIsolate=yes
"""

BOOT = """
set -e
mount --make-rprivate /
mount --bind / "$1"
shift
exec systemd-nspawn --quiet --volatile=overlay --boot --register=no --keep-unit --console=pipe "$@"
"""


def why_not() -> str | None:
    """What is missing here for a machine; None where nothing is."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [program for program in ("systemd-nspawn", "nsenter", "unshare") if shutil.which(program) is None]
    return f"{', '.join(missing)} not installed" if missing else None


def build_environment(folder: Path) -> Path:
    """A virtual environment of the system's Python with this project in it, for the place it has in a machine.

    It is built from a copy: pip builds in the folder it is given, where another run may build at the same time, and
    where what an older build has left behind becomes part of the new one.
    """
    subprocess.run(["/usr/bin/python3", "-m", "venv", folder], check=True, timeout=120)
    source = folder.parent / "source"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUILT_WITH:
        shutil.copy(ROOT / name, source / name)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", source], check=True, timeout=600)
    for script in (folder / "bin").iterdir():
        if script.is_file() and not script.is_symlink() and script.read_bytes().startswith(b"#!"):
            script.write_text(script.read_text().replace(str(folder), str(HOME / "venv")))
    return folder


class Machine:
    """Booted when it is made. `binds`: what it sees of ours, read-only, and where."""

    def __init__(self, folder: Path, binds: Mapping[Path, str]) -> None:
        self.log = folder / "boot.log"
        self.leader = 0
        (folder / "root").mkdir()
        target = folder / "bench.target"
        target.write_text(TARGET)
        shown = {target: "/etc/systemd/system/bench.target"} | dict(binds)
        options = [f"--bind-ro={ours}:{theirs}" for ours, theirs in shown.items()]
        command = ["unshare", "--mount", "sh", "-c", BOOT, "boot", str(folder / "root"), "--machine=bench"]
        place = [f"--directory={folder / 'root'}", *options, "systemd.unit=bench.target"]
        with self.log.open("wb") as log:
            self._nspawn = spawn([*command, *place], stdout=log, stderr=log)
        try:
            eventually(self._has_booted)
        except BaseException:
            kill_group(self._nspawn)
            raise

    def run(self, *command: str, check: bool = True, text: str | None = None) -> str:
        """Run a command inside, with `text` as its input; returns what it said on stdout."""
        inside = ["nsenter", "--target", str(self.leader), "--all", "--", *command]
        done = subprocess.run(inside, input=text or "", capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Make a file inside."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "write", path, text=text)

    def show(self, unit: str, *names: str) -> list[str]:
        """Properties of a unit, in the order asked for."""
        wanted = [f"--property={name}" for name in names]
        lines = self.run("systemctl", "show", unit, *wanted).splitlines()
        values = dict(line.partition("=")[::2] for line in lines)
        return [values[name] for name in names]

    def main_pid(self, unit: str) -> int:
        """The pid of a unit's main process, inside; 0 where it does not run."""
        return int(self.show(unit, "MainPID")[0])

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        """The journal's entries that match."""
        self.run("journalctl", "--sync", check=False)
        output = self.run("journalctl", "--output=json", "--no-pager", *matches, check=False)
        return [json.loads(line) for line in output.splitlines()]

    def events(self, name: str, unit: str) -> list[dict[str, Any]]:
        """What a worker has logged by this name."""
        return self.journal(f"BOOKBOT_EVENT={name}", f"_SYSTEMD_UNIT={unit}.service")

    def close(self) -> None:
        """Switch it off, at once."""
        self.run("systemctl", "poweroff", "--force", "--force", check=False)
        kill_group(self._nspawn)

    def _has_booted(self) -> bool:
        """The first child of nspawn only sets the scene; its place is taken by the machine's first process."""
        assert self._nspawn.poll() is None, self.log.read_text()
        nspawn = self._nspawn.pid
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
        self.leader = int(children[0]) if children else 0
        return bool(children) and self.run("systemctl", "is-system-running", check=False) in ("running", "degraded")


def units() -> Sequence[Path]:
    """The project's unit files."""
    return sorted((ROOT / "deploy" / "systemd").iterdir())
