"""What a printer's reader sees of a PDF (Poppler), and what a word processor makes of a DOCX (LibreOffice)."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest


def tool(name: str, package: str) -> str:
    """The path of a program. TEST_READERS=required makes its absence a failure."""
    if found := shutil.which(name):
        return found
    if os.environ.get("TEST_READERS") == "required":
        pytest.fail(f"TEST_READERS=required, and {name} is not installed")
    pytest.skip(f"{name} is not installed: Debian's {package} (TEST_READERS=required makes this a failure)")


def _told(name: str, *arguments: str) -> str:
    command = [tool(name, "poppler-utils"), *arguments]
    told = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    return told.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Printed:
    """A PDF on disk."""

    path: Path

    @property
    def info(self) -> dict[str, str]:
        """What pdfinfo says, by its names."""
        lines = [line.split(":", 1) for line in _told("pdfinfo", str(self.path)).splitlines() if ":" in line]
        return {name: value.strip() for name, value in lines}

    @property
    def millimetres(self) -> tuple[int, int]:
        """The size of the first page."""
        width, height = re.findall(r"[\d.]+", self.info["Page size"])[:2]
        return round(float(width) / 72 * 25.4), round(float(height) / 72 * 25.4)

    @property
    def fonts(self) -> dict[str, bool]:
        """Every font by its name, and whether it is inside the file."""
        rows = [line.split() for line in _told("pdffonts", str(self.path)).splitlines()[2:]]
        return {row[0].partition("+")[2]: row[-5] == "yes" for row in rows}

    @property
    def pages(self) -> list[list[str]]:
        """The lines of every page, from top to bottom."""
        text = _told("pdftotext", "-layout", "-enc", "UTF-8", str(self.path), "-")
        return [
            [" ".join(line.split()) for line in page.splitlines() if line.strip()] for page in text.split("\f")[:-1]
        ]

    @property
    def bookmarks(self) -> list[tuple[int, str]]:
        """The page and the words of every bookmark."""
        told = _told("pdftohtml", "-xml", "-i", "-stdout", str(self.path))
        items = ET.fromstring(told[told.index("<pdf2xml") :]).iter("item")  # noqa: S314 - of our own file
        return [(int(item.get("page", 0)), item.text or "") for item in items]


def through_libreoffice(path: Path, kind: str) -> Path:
    """What LibreOffice saves after opening the file: "docx", "pdf", "txt" …"""
    folder = path.parent / "saved"
    profile = (path.parent / "profile").as_uri()
    office = tool("soffice", "libreoffice-writer-nogui")
    command = [office, f"-env:UserInstallation={profile}", "--headless", "--convert-to", kind, "--outdir", str(folder)]
    subprocess.run([*command, str(path)], capture_output=True, timeout=110, check=True)
    return folder / f"{path.stem}.{kind}"
