"""Typst, run on the template and the book's data, and what it says of letters it has no font for.

Owns the fonts that are looked in, and the one way out of trouble. Typst is asked for PDF/UA-1, an accessible PDF, which
it refuses with the name of every letter that would have become a box. So nothing has to be guessed about fonts: first
those of the package and of Typst, which are the same on every machine; then the system's too; then the book is made
with its boxes, and their names are told.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import typst

from bookbot_worker.exporters import ExportFailed
from bookbot_worker.exporters.pdf.data import COVER_FILE
from shared.covers import Cover

_TEMPLATES = ("book.typ", "text.typ")
_ACCESSIBLE = ["ua-1"]
_MISSING = re.compile(r'the text `"((?:[^"\\]|\\.)+)"` could not be displayed')
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}|\\(.)")
_NAMED = 12
_INVISIBLE = "Cf"


def typeset(data: dict[str, Any], cover: Cover | None, modified: datetime) -> tuple[bytes, str]:
    """The PDF, and a sentence on the letters that no font has, "" as a rule. Raises ExportFailed."""
    source = files(__package__)
    with TemporaryDirectory(prefix="bookbot-pdf-") as name, as_file(source / "typefaces") as typefaces:
        folder = Path(name)
        for template in _TEMPLATES:
            (folder / template).write_bytes((source / template).read_bytes())
        if cover:
            (folder / COVER_FILE).write_bytes(cover.content)
        press = _Press(folder, typefaces, data, modified)
        letters: set[str] = set()
        for has_system_fonts in (False, True):
            try:
                return press.printed(has_system_fonts=has_system_fonts, standards=_ACCESSIBLE), ""
            except typst.TypstError as error:
                letters = set(_missing(error))
        try:
            return press.printed(has_system_fonts=True, standards=[]), _sentence(letters)
        except typst.TypstError as error:
            raise ExportFailed(_why(error)) from error


@dataclass(frozen=True, slots=True)
class _Press:
    """What stays the same from one try to the next."""

    folder: Path
    typefaces: Path
    data: dict[str, Any]
    modified: datetime

    def printed(self, *, has_system_fonts: bool, standards: list[str]) -> bytes:
        """Raises TypstError."""
        fonts = typst.Fonts(include_system_fonts=has_system_fonts, font_paths=[self.typefaces])
        there = set(fonts.families())
        look = self.data["look"]
        known = {name: [family for family in look[name] if family in there] for name in ("fonts", "mono")}
        book = {**self.data, "look": {**look, **known}}
        (self.folder / "book.json").write_text(json.dumps(book), encoding="utf-8")
        # No package can be loaded: the template needs none, and a book cannot ask for one.
        nowhere = self.folder / "packages"
        compiler = typst.Compiler(
            input=self.folder / _TEMPLATES[0],
            root=self.folder,
            font_paths=fonts,
            ignore_system_fonts=not has_system_fonts,
            package_path=nowhere,
            package_cache_path=nowhere,
        )
        made = compiler.compile(
            format="pdf", pdf_standards=cast(Any, standards), timestamp=int(self.modified.timestamp())
        )
        return cast(bytes, made)


def _missing(error: typst.TypstError) -> Iterator[str]:
    """The letters of which Typst says that no font has them, from its quoted text."""
    for quoted in _MISSING.findall(error.diagnostic):
        letter = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], quoted)
        if any(unicodedata.category(character) != _INVISIBLE for character in letter):
            yield letter


def _sentence(letters: set[str]) -> str:
    if not letters:
        return ""
    named = [f"{letter} ({' '.join(map(_name, letter))})" for letter in sorted(letters)]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return (
        f"no font has {', '.join(named[:_NAMED])}{more}: printed as empty boxes. "
        "Install a font that has them where the worker runs, such as Noto, and export again"
    )


def _name(character: str) -> str:
    return unicodedata.name(character, f"U+{ord(character):04X}")


def _why(error: typst.TypstError) -> str:
    if "image" in error.message:
        return f"the cover cannot be printed: {error.message}"
    return f"the book cannot be typeset: {error.message}"
