"""A page's shell blocks, typed one after another into one shell, and what each of them printed.

A `text` block right below a `sh` block shows what that block prints: line by line, but for ids, times, durations,
revisions of the schema and the width of columns. A line "…" stands for any lines.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import kill_group, spawn

_BLOCK = re.compile(r"^```sh\n(?P<typed>.*?)^```$(?:\n\n```text\n(?P<shown>.*?)^```$)?", re.MULTILINE | re.DOTALL)
_MARK = "---- block {} ----"
_VARYING = (
    (r"\b\d{4} \(was ", "<revision> (was "),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "<time>"),
    (r"\b\d+(\.\d+)? ?(ms|s|min)\b( ago)?", "<duration>"),
    (r"[ \t]+", " "),
)


@dataclass(frozen=True)
class Block:
    """A `sh` block of a page: what is typed, and what the page shows of the answer (None: nothing)."""

    page: str
    typed: str
    shown: str | None

    @property
    def name(self) -> tuple[str, str]:
        """The page and the block's first line: which block it is."""
        return self.page, self.typed.partition("\n")[0]


def blocks_of(document: Path, root: Path) -> list[Block]:
    """The page's `sh` blocks, in order."""
    text = document.read_text(encoding="utf-8")
    page = document.relative_to(root).as_posix()
    return [Block(page, found["typed"], found["shown"]) for found in _BLOCK.finditer(text)]


def type_in(
    blocks: Sequence[Block],
    folder: Path,
    environment: Mapping[str, str],
    *,
    before: str = "",
    after: str = "",
    instead: Mapping[str, str] | None = None,
    seconds: float = 240,
) -> list[str]:
    """Type the blocks into one bash in `folder`; returns what each printed, to stdout or stderr.

    `before` is typed first, `after` last. `instead`: what the blocks' names of hosts, ports and ids stand for here.
    Everything they start is gone when this returns. Raises AssertionError, with the whole conversation, where a command
    fails.
    """
    lines = ["set -euo pipefail", before]
    for number, block in enumerate(blocks):
        typed = block.typed
        for written, meant in (instead or {}).items():
            typed = typed.replace(written, meant)
        lines += [f"echo; echo '{_MARK.format(number)}'", typed]
    lines.append(after)
    (folder / ".typed.sh").write_text("\n".join(lines), encoding="utf-8")
    record = folder / ".said.txt"
    with record.open("wb") as output:
        shell = spawn(
            ["bash", ".typed.sh"], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )  # fmt: skip
        code: int | None = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):  # then the conversation below says where it stopped
                code = shell.wait(seconds)
        finally:
            kill_group(shell)
    said = record.read_text(encoding="utf-8", errors="replace")
    assert code == 0, f"exit code {code} of {[block.name for block in blocks]}:\n{said}"
    return [
        part.partition("\n")[2].removesuffix("\n")
        for part in re.split(r"^---- block \d+ ", said, flags=re.MULTILINE)[1:]
    ]


def assert_shown(block: Block, said: str) -> None:
    """What the page shows is what was said."""
    if block.shown is None:
        return
    lines = [re.escape(line) for line in _comparable(block.shown).splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else f"{line}\n" for line in lines)
    found = _comparable(said) + "\n"
    assert re.fullmatch(pattern, found), f"{block.name} shows\n{block.shown}\nand this came:\n{found}"


def _comparable(text: str) -> str:
    for pattern, name in _VARYING:
        text = re.sub(pattern, name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def plain_environment(folder: Path, **values: str) -> dict[str, str]:
    """What a newcomer's shell has: the programs on its path, a home of its own, no setting of ours."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("BOOKBOT_", "DATABASE_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    return known | {"PATH": path, "HOME": str(folder), "PYTHONPATH": "", "TERM": "dumb"} | values
