"""Reading finished files back: the words of each chapter, as a reader sees them."""

import io
import re
import zipfile
from xml.etree import ElementTree as ET

from bookbot_worker.exporters.blocks import visible
from bookbot_worker.exporters.reading import read

INLINE = {"em", "strong", "s", "code", "a", "sup", "span"}
UNSEEN = {"doc-noteref", "doc-backlink"}


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
