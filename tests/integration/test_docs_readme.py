"""The README's own job: its files are written, its commands typed into a shell, and the promise is kept."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bookbot_worker.cli.main import main
from tests.support.docs import ROOT, blocks, write_files

pytestmark = pytest.mark.integration

README = ROOT / "README.md"


def test_the_job_in_twenty_lines_runs_as_written(tmp_path: Path) -> None:
    write_files(README, tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (typed,) = (block for block in blocks(README, "sh") if "bookbot-worker" in block)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BOOKBOT_", "DATABASE_"))}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", typed],
        cwd=tmp_path,
        env=clean | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^state: +completed$", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-1].endswith(" words")


def test_the_excerpt_of_the_demo_is_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BOOKBOT_")]:
        monkeypatch.delenv(name)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    done = CliRunner().invoke(main, ["demo"])
    assert done.exit_code == 0, done.output
    printed = done.output.splitlines()
    (excerpt,) = blocks(README, "text")
    assert [line for line in excerpt.splitlines() if line not in printed] == []
