"""Takes away each guard in turn, in a copy of the project, and runs the one test that must notice.

`python -m tests.mutants.run [WORDS…]` takes those whose name contains one of the words; `--list` only names them. First
every test is run on the code as it is, and must pass. The exit code is 1 where a mutant lives.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.guards import GUARDS, Guard

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""For one run of one test; one that hangs without its guard has noticed too."""


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    words = [word for word in arguments if not word.startswith("-")]
    chosen = [guard for guard in GUARDS if not words or any(word in guard.name for word in words)]
    if "--list" in arguments:
        print("\n".join(f"{guard.name:50} {guard.file}" for guard in chosen))
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "project"
        copy_project(copy)
        living = [guard for guard in chosen if not is_noticed(guard, copy)]
    print(f"{len(chosen) - len(living)} passed, {len(living)} failed", flush=True)
    return 1 if living else 0


def copy_project(target: Path) -> None:
    """What git tracks, and what it does not know yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def is_noticed(guard: Guard, copy: Path) -> bool:
    """Whether the guard's test passes with it, and fails without it."""
    file = copy / guard.file
    text = file.read_text(encoding="utf-8")
    if text.count(guard.old) != 1:
        return tell(guard, f"its text stands {text.count(guard.old)} times in {guard.file}", 0)
    began = time.monotonic()
    if not passes(guard, copy):
        return tell(guard, "its test fails with the guard in place", time.monotonic() - began)
    file.write_text(text.replace(guard.old, guard.new), encoding="utf-8")
    try:
        lives = passes(guard, copy)
    finally:
        file.write_text(text, encoding="utf-8")
    return tell(guard, "LIVES" if lives else "", time.monotonic() - began)


def passes(guard: Guard, copy: Path) -> bool:
    """Run the guard's test on the copy, which must be what is imported."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", *shlex.split(guard.test)]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode in (4, 5):
        raise SystemExit(f"{guard.name}: no such test: {guard.test}\n{done.stdout[-500:]}{done.stderr[-500:]}")
    return done.returncode == 0


def tell(guard: Guard, fault: str, seconds: float) -> bool:
    """One line of the table; returns whether all is well."""
    print(f"{'ok  ' if not fault else 'FAIL'} {guard.name:50} {seconds:6.1f} s  {guard.test}  {fault}", flush=True)
    return not fault


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
