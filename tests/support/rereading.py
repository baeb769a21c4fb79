"""Reading finished files back: the words of each chapter, as a reader sees them."""

import io
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from bookbot_worker.exporters.blocks import visible
from bookbot_worker.exporters.reading import read

INLINE = {"em", "strong", "s", "code", "a", "sup", "span"}
UNSEEN = {"doc-noteref", "doc-backlink"}
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
BREAKS_INSIDE_WORDS = str.maketrans("", "", "\u00ad\u200b")


def words_of_epub(content: bytes) -> list[list[str]]:
    """The words of every chapter, without its title and the numbers of notes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("EPUB/chapter-"))
        return [chapter for name in names for chapter in _chapters(archive.read(name))]


def words_of_html(content: bytes) -> list[list[str]]:
    """The same, of a page of HTML that is well-formed XML too."""
    return _chapters(content)


def words_of_markdown(content: bytes) -> list[list[str]]:
    """The same, of a Markdown file whose chapters are headings of the second level."""
    chapters = re.split(r"^## .*$", content.decode(), flags=re.MULTILINE)[1:-1]
    return [visible(read([chapter])).split() for chapter in chapters]


def words_of_docx(content: bytes, level: int = 1) -> list[list[str]]:
    """The same, of a DOCX whose chapters are headings of this level; notes stand at their chapter's end."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        body = ET.fromstring(archive.read("word/document.xml"))  # noqa: S314 - made by the test
        has_notes = "word/footnotes.xml" in archive.namelist()
        notes = ET.fromstring(archive.read("word/footnotes.xml") if has_notes else "<none />")  # noqa: S314
    noted = {note.get(f"{WORD}id"): note for note in notes}
    chapters: list[tuple[list[str], list[str]]] = []
    is_inside = False
    for paragraph in body.iter(f"{WORD}p"):
        style = _style(paragraph)
        if style in ("Heading1", f"Heading{level}", "SectionTitle", "Colophon"):
            is_inside = style == f"Heading{level}"
            chapters += [([], [])] if is_inside else []
        elif is_inside and style not in ("SceneBreak", "ChapterNumber"):
            words, below = chapters[-1]
            words += "".join(_typed(paragraph)).split()
            for mark in paragraph.iter(f"{WORD}footnoteReference"):
                for line in noted[mark.get(f"{WORD}id")].iter(f"{WORD}p"):
                    below += "".join(_typed(line)).split()
    return [[*words, *below] for words, below in chapters]


def words_of_pdf(path: Path) -> list[list[str]]:
    """The same, of a tagged PDF, as a screen reader has them: chapters are H1, notes stand where they are marked."""
    command = ["pdfinfo", "-enc", "UTF-8", "-struct-text", str(path)]
    told = subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace")
    chapters: list[str] = []
    for line in _without(("H1", "Lbl"), told.split("\n")):
        tag = line.strip()
        if tag.startswith("H1"):
            chapters.append("")
        elif chapters and tag.startswith('"'):
            chapters[-1] += tag[1:-1]
        elif chapters and "(inline)" not in tag and not tag.startswith(("/", "Object")):
            chapters[-1] += "\n"
    return [chapter.translate(BREAKS_INSIDE_WORDS).split() for chapter in chapters]


def _without(tags: tuple[str, ...], lines: list[str]) -> Iterator[str]:
    """The lines of a tree without what is inside some tags."""
    inside: int | None = None
    for line in lines:
        depth = len(line) - len(line.lstrip(" "))
        if inside is not None and depth > inside:
            continue
        inside = depth if line.strip().startswith(tags) else None
        yield line


def _style(paragraph: ET.Element) -> str:
    named = paragraph.find(f"{WORD}pPr/{WORD}pStyle")
    return "" if named is None else str(named.get(f"{WORD}val"))


def _typed(paragraph: ET.Element) -> Iterator[str]:
    """The words of a paragraph, without the marks of notes."""
    for run in paragraph.iter(f"{WORD}r"):
        style = run.find(f"{WORD}rPr/{WORD}rStyle")
        if style is None or style.get(f"{WORD}val") != "FootnoteReference":
            for element in run:
                yield {f"{WORD}t": element.text or "", f"{WORD}br": "\n", f"{WORD}tab": "\t"}.get(element.tag, "")


def _chapters(page: bytes) -> list[list[str]]:
    root = ET.fromstring(page)  # noqa: S314 - made by the test
    sections = [element for element in root.iter() if element.get("role") == "doc-chapter"]
    return ["".join(_seen(section)).split() for section in sections]


def _seen(element: ET.Element) -> list[str]:
    name = element.tag.rpartition("}")[2]
    if element.get("role") in UNSEEN or name == "header":
        return [element.tail or ""]
    edge = "" if name in INLINE else "\n"
    inside = [part for child in element for part in _seen(child)]
    return [edge, element.text or "", *inside, edge, element.tail or ""]
