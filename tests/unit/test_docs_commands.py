"""Every command, make target and link in the documents exists."""

import re
import shlex
from pathlib import Path

import click
import pytest

from bookbot_web.__main__ import main as web
from bookbot_worker.cli.main import main as worker
from tests.support.commands import parse
from tests.support.docs import DOCUMENTS, ROOT, blocks

pytestmark = pytest.mark.unit

PROGRAMS: dict[str, click.Command] = {"bookbot-worker": worker, "bookbot-web": web}
COMMAND = re.compile(r"\bbookbot-(?:worker|web) [^`|;&)>\n]*")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def commands() -> list[str]:
    """The commands in shell blocks, and those in running text that begin with a program's name."""
    found: set[str] = set()
    for document in DOCUMENTS:
        for block in blocks(document, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                found.update(match[0] for match in COMMAND.finditer(without_comment(line)))
        text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
        found.update(code for code in re.findall(r"`([^`]+)`", text) if COMMAND.match(code))
    return sorted(found)


def without_comment(line: str) -> str:
    """The line without a comment, and without where its output goes."""
    return re.split(r"\s#\s|\s\d?>", line)[0]


@pytest.mark.parametrize("line", commands())
def test_every_command_in_the_documents_can_be_typed(line: str) -> None:
    name, *words = shlex.split(line)
    required = {"jobs show": "JOB_ID", "jobs logs": "JOB_ID", "jobs why": "JOB_ID"}
    if " ".join(words) in required:  # named in running text, without its argument
        words.append("JOB_ID")
    parse(PROGRAMS[name], name, words)


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 15


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    texts = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    named = {target for text in texts for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)}
    assert {"demo", "test"} <= named <= targets


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name) if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_names_every_page() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    for index, prefix in ((ROOT / "docs" / "README.md", ""), (ROOT / "README.md", "docs/")):
        linked = {link.partition("#")[0] for link in LINK.findall(index.read_text(encoding="utf-8"))}
        assert {f"{prefix}{page}" for page in pages} <= linked
