"""The manuscript: a book as all formats see it, plain values that can be sent to another process.

Everything in it is printable (see `words.py`), so that formats have only their own escaping to do. `assembly.py` makes
one from stored scenes; `Chapter.read()` and `Section.read()` give the text as blocks (see `blocks.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bookbot_worker.exporters.blocks import Content
from bookbot_worker.exporters.vocabulary import Terms, terms


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene with text (Markdown, read with its chapter). Its title is for reference; it is not printed."""

    title: str
    text: str
    words: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter with at least one scene. `label` is the number to print above the title, "" for none."""

    number: int
    label: str
    title: str
    scenes: tuple[Scene, ...]

    def read(self) -> Content:
        """Its scenes as blocks, with their notes."""
        return _blocks([scene.text for scene in self.scenes])


@dataclass(frozen=True, slots=True)
class Section:
    """A text outside the chapters: a preface, an afterword, the outline. `text` is Markdown.

    Without a title ("", as of a dedication) it stands on its page without a heading, and not in the contents.
    """

    title: str
    text: str

    def read(self) -> Content:
        """Its text as blocks, with their notes."""
        return _blocks([self.text])


@dataclass(frozen=True, slots=True)
class Part:
    """Chapters under one title; "" where they stand under none, as in most books."""

    title: str
    chapters: tuple[Chapter, ...]


@dataclass(frozen=True, slots=True)
class Manuscript:
    """A whole book, ready for any format: title page, `front`, `parts`, `back`, colophon.

    `identifier` is "urn:uuid:…" and `modified` the time of the newest scene, so the same book gives the same bytes.
    `author` may be "" (nobody named), `language` is a BCP 47 tag; the colophon is one English paragraph.
    """

    title: str
    author: str
    language: str
    identifier: str
    modified: datetime
    front: tuple[Section, ...]
    parts: tuple[Part, ...]
    back: tuple[Section, ...]
    colophon: str

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """All chapters, whatever part they are in."""
        return tuple(chapter for part in self.parts for chapter in part.chapters)

    @property
    def words(self) -> int:
        """How many words the scenes have."""
        return sum(scene.words for chapter in self.chapters for scene in chapter.scenes)

    @property
    def terms(self) -> Terms:
        """The words the book prints by itself."""
        return terms(self.language)


def _blocks(texts: Sequence[str]) -> Content:
    from bookbot_worker.exporters.reading import read  # its parser takes 0.1 s to import: for those who print

    return read(texts)
