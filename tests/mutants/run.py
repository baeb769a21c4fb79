"""Takes each guard away, one at a time, in a copy of the tree, and sees whether its directed test goes red.

    python -m tests.mutants.run               all of them: about ten minutes
    python -m tests.mutants.run NAME …        those whose names begin so
    python -m tests.mutants.run --list        what there is, and why

Exit code 1 where a guard can be taken away unnoticed, where its text is not found exactly once, or where a test is red
before anything is changed. Nothing in the working tree is touched.
"""

import argparse
import compileall
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.mutants.guard import Guard  # noqa: E402 - also where this file is run by its path
from tests.mutants.guards import GUARDS  # noqa: E402
from tests.support.postgres import postgres  # noqa: E402

SECONDS = 150.0
"""How long one run of directed tests may take; one that hangs has noticed something."""

PER_TEST = 40
"""The same for each of them; pytest-timeout ends the process."""

TESTS_FAILED = 1
WHERE = "import bookbot_worker; print(bookbot_worker.__file__)"


@dataclass(frozen=True)
class Verdict:
    """What became of one guard; it is well only where the test went red."""

    word: str
    seconds: float = 0.0
    said: str = ""

    @property
    def is_well(self) -> bool:
        """Whether the directed test has noticed."""
        return self.word in ("red", "red (hung)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description="Take guards away and see whether their tests notice.")
    parser.add_argument("names", nargs="*", help="beginnings of names; all guards where there are none")
    parser.add_argument("--list", action="store_true", help="only show the table")
    given = parser.parse_args(arguments)
    chosen = [one for one in GUARDS if not given.names or one.name.startswith(tuple(given.names))]
    if not chosen:
        parser.error("no guard has such a name")
    if given.list:
        for one in chosen:
            print(f"{one.name:32} {one.why}\n{'':32} {' '.join(one.tests)}")
        return 0
    with copy_of_tree() as copy, postgres() as server:
        environment = os.environ | {
            "PYTHONPATH": str(copy),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TEST_POSTGRES": "url",
            "TEST_DATABASE_URL": server.url,
        }
        check_imports(copy, environment)
        return try_all(chosen, Runner(copy, environment))


def try_all(chosen: Sequence[Guard], runner: "Runner") -> int:
    """First the tests as they are, then each guard. Prints a line for each; returns the exit code."""
    if not is_unambiguous(chosen):
        return 1
    whole = runner.run(sorted({test for one in chosen for test in one.tests}), seconds=len(chosen) * SECONDS)
    print(f"{'as it is':32} {whole.word:10} {whole.seconds:6.1f} s", flush=True)
    if whole.word != "GREEN":
        print(whole.said)
        return 1
    verdicts = {}
    for one in chosen:
        verdicts[one.name] = verdict = runner.without(one)
        test = one.tests[0].rpartition("::")[2] + (f" and {len(one.tests) - 1} more" if one.tests[1:] else "")
        print(f"{one.name:32} {verdict.word:10} {verdict.seconds:6.1f} s  {test}", flush=True)
        if not verdict.is_well:
            print(verdict.said)
    unwell = [name for name, verdict in verdicts.items() if not verdict.is_well]
    print(f"{len(verdicts) - len(unwell)} of {len(verdicts)} guards are guarded", *unwell, sep="\n  ")
    return 1 if unwell else 0


def is_unambiguous(chosen: Sequence[Guard]) -> bool:
    """Whether every text is found exactly once in its file, and every name once in the table."""
    wrong = [f"{one.name}: twice in the table" for one in chosen if [g.name for g in GUARDS].count(one.name) != 1]
    for one in chosen:
        for edit in one.edits:
            found = (ROOT / edit.file).read_text(encoding="utf-8").count(edit.text)
            if found != 1:
                wrong.append(f"{one.name}: found {found} times in {edit.file}: {edit.text!r}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return not wrong


@dataclass(frozen=True)
class Runner:
    """Runs pytest in the copy."""

    copy: Path
    environment: dict[str, str]

    def without(self, one: Guard) -> Verdict:
        """Its tests while the guard is gone."""
        before = {edit.file: (self.copy / edit.file).read_text(encoding="utf-8") for edit in one.edits}
        times = {file: (self.copy / file).stat() for file in before}
        after = dict(before)
        for edit in one.edits:
            after[edit.file] = after[edit.file].replace(edit.text, edit.instead)
        try:
            for file, text in after.items():
                (self.copy / file).write_text(text, encoding="utf-8")
            return self.run(one.tests, "-x", seconds=SECONDS)
        finally:
            for file, text in before.items():
                (self.copy / file).write_text(text, encoding="utf-8")
                os.utime(self.copy / file, ns=(times[file].st_atime_ns, times[file].st_mtime_ns))  # as compiled

    def run(self, tests: Sequence[str], *options: str, seconds: float) -> Verdict:
        """What the tests say. The process has a group of its own, which is ended with it."""
        pytest = [sys.executable, "-m", "pytest", "-n0", "-q", "--no-header", "-p", "no:cacheprovider"]
        command = [*pytest, f"--timeout={PER_TEST}", "--all-faults", *options, *tests]
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                command, cwd=self.copy, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
            try:
                code: int | None = process.wait(seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            said = output.read()[-3000:]
        return Verdict(_word(code, said), time.monotonic() - started, said)


def _word(code: int | None, said: str) -> str:
    if code is None or (code == TESTS_FAILED and "+ Timeout +" in said):
        return "red (hung)"
    if code == 0:
        return "GREEN"
    return "red" if code == TESTS_FAILED else f"BROKEN ({code})"


@contextmanager
def copy_of_tree() -> Iterator[Path]:
    """What git tracks and what is new, compiled, in a temporary directory."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    with tempfile.TemporaryDirectory(prefix="bookbot-mutants-") as folder:
        copy = Path(folder)
        for name in names:
            if name and (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
        compileall.compile_dir(copy, quiet=2)
        yield copy


def check_imports(copy: Path, environment: dict[str, str]) -> None:
    """Raises RuntimeError where the installed package would be tested instead of the copy."""
    asked = subprocess.run(
        [sys.executable, "-c", WHERE], cwd=copy, env=environment, capture_output=True, text=True, check=True
    )
    found = Path(asked.stdout.strip())
    if copy not in found.parents:
        raise RuntimeError(f"{found} would be tested, not the copy in {copy}")


if __name__ == "__main__":
    sys.exit(main())
