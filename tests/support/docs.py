"""The documents as test material: their code blocks, and the files some of those say they are."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.job_types import catalogue

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))

_FILE = re.compile(r"# (\S+\.py)\n")


def blocks(document: Path, language: str) -> list[str]:
    """The fenced code blocks of one language, in order."""
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def file_blocks(document: Path) -> dict[str, str]:
    """The Python blocks whose first line is a comment with a file's name, by that name."""
    return {found[1]: block for block in blocks(document, "python") if (found := _FILE.match(block))}


def plain_blocks(document: Path) -> list[str]:
    """The Python blocks that are no file."""
    return [block for block in blocks(document, "python") if not _FILE.match(block)]


def write_files(document: Path, folder: Path) -> None:
    """Put the document's files where they say they are, below `folder`."""
    for name, text in file_blocks(document).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@contextmanager
def installed(folder: Path, patch: pytest.MonkeyPatch, **settings: str) -> Iterator[None]:
    """Inside, what is in `folder` can be imported and these BOOKBOT settings hold; afterwards it is forgotten."""
    patch.syspath_prepend(folder)
    for name, value in settings.items():
        patch.setenv(f"BOOKBOT_{name.upper()}", value)
    catalogue.cache_clear()
    before = set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if (sys.modules[name].__dict__.get("__file__") or "").startswith(str(folder)):
                del sys.modules[name]
