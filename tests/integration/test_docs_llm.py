"""docs/llm.md is right about the words for failures and the faults of `llm-stub`, and its walk works as typed."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bookbot_worker.llm.errors import WORTH_REPEATING, Kind
from bookbot_worker.llm.stub import Fault
from tests.support.docs import ROOT, blocks

pytestmark = pytest.mark.integration

PAGE = ROOT / "docs" / "llm.md"


def table_under(heading: str) -> list[list[str]]:
    """The cells of the table in the section of this heading, without its head."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_kind_of_failure_is_explained_and_said_to_be_repeated_or_not() -> None:
    told = {word.strip("`"): repeated for word, _, repeated in table_under("When it goes wrong")}
    assert told == {kind: "yes" if kind in WORTH_REPEATING else "no" for kind in Kind} | {"cancelled": "no"}


def test_every_fault_of_the_stub_is_explained() -> None:
    told = [fault for cells in table_under("llm-stub") for fault in re.findall(r"`([^`]+)`", cells[0])]
    assert sorted(told) == sorted(Fault)


def test_the_walk_with_the_stub_works_as_typed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (typed,) = (block for block in blocks(PAGE, "sh") if "llm-stub" in block)
    with socket.create_server(("127.0.0.1", 0)) as free:
        typed = typed.replace("4010", str(free.getsockname()[1]))
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
    assert "rate_limited" in done.stdout
    assert "USD (provider)" in done.stdout
    assert (tmp_path / "stub.jsonl").read_text().count('"answered"') >= 3
