"""Inlines as runs of WordprocessingML: words with their looks, links, marks of notes.

Owns the escaping of everything in a DOCX, and what a run says of its script. It knows no paragraph.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from bookbot_worker.exporters.blocks import (
    Break,
    Code,
    Emphasis,
    Inline,
    Link,
    NoteMark,
    Picture,
    Strike,
    Strong,
    Text,
)

_SPACES = re.compile(r"[ \t\n]+")
_STYLED: dict[type[Emphasis | Strong | Strike], str] = {
    Emphasis: '<w:rStyle w:val="Emphasis"/><w:i/><w:iCs/>',
    Strong: '<w:rStyle w:val="Strong"/><w:b/><w:bCs/>',
    Strike: "<w:strike/>",
}
_ORDER = ("<w:rStyle", "<w:b/", "<w:bCs/", "<w:i/", "<w:iCs/", "<w:strike/", "<w:rtl/")
_PROPERTY = re.compile(r"<[^>]+>")


def words_of(text: str) -> str:
    """`text` as the content of an element or an attribute in double quotes, on one line."""
    return escape(_SPACES.sub(" ", text), quote=True)


def run(text: str, looks: Iterable[str] = ()) -> str:
    """One run of words."""
    shown = f'<w:t xml:space="preserve">{words_of(text)}</w:t>'
    return f"<w:r>{_properties([*looks, *_script(text)])}{shown}</w:r>"


def lines(text: str) -> str:
    """Runs of words whose lines and leading spaces are kept."""
    drawn = [f'<w:t xml:space="preserve">{escape(line.expandtabs(4))}</w:t>' for line in text.split("\n")]
    return f"<w:r>{_properties(_script(text))}{'<w:br/>'.join(drawn)}</w:r>"


def simple_field(code: str, shown: str, looks: Iterable[str] = (), *, is_stale: bool = False) -> str:
    """A field with the runs it shows until it is calculated; a stale one is calculated when Word opens the file."""
    properties = _properties(list(looks))
    dirty = ' w:dirty="true"' if is_stale else ""
    return (
        f'<w:r>{properties}<w:fldChar w:fldCharType="begin"{dirty}/></w:r>'
        f'<w:r>{properties}<w:instrText xml:space="preserve"> {words_of(code)} </w:instrText></w:r>'
        f'<w:r>{properties}<w:fldChar w:fldCharType="separate"/></w:r>{shown}'
        f'<w:r>{properties}<w:fldChar w:fldCharType="end"/></w:r>'
    )


def _script(text: str) -> list[str]:
    """Right to left where the first letter is; Word does not find out by itself."""
    directions = (unicodedata.bidirectional(letter) for letter in text)
    first = next((direction for direction in directions if direction in ("L", "R", "AL")), "L")
    return [] if first == "L" else ["<w:rtl/>"]


def _properties(looks: Sequence[str]) -> str:
    """Each property once, in the order the schema wants; of several styles the outermost."""
    found: dict[str, str] = {}
    for prop in (prop for look in looks for prop in _PROPERTY.findall(look)):
        found.setdefault(next(kind for kind in _ORDER if prop.startswith(kind)), prop)
    inside = "".join(found[kind] for kind in _ORDER if kind in found)
    return f"<w:rPr>{inside}</w:rPr>" if inside else ""


@dataclass(slots=True)
class Links:
    """The addresses a part of the file leads to, each once, by the id of its relationship."""

    ids: dict[str, str] = field(default_factory=dict)

    def id_of(self, target: str) -> str:
        """The id for a target."""
        return self.ids.setdefault(target, f"link{len(self.ids) + 1}")


@dataclass(slots=True)
class Runs:
    """Draws the inlines of one chapter. `first_note` is the id of its first note in the file."""

    links: Links
    first_note: int = 1
    marked: set[int] = field(default_factory=set)

    def draw(self, children: Sequence[Inline], looks: tuple[str, ...] = ()) -> str:
        """The runs for some inlines."""
        return "".join(self._inline(child, looks) for child in children)

    def _inline(self, inline: Inline, looks: tuple[str, ...]) -> str:
        match inline:
            case Text(words) | Picture(_, words):
                return run(words, looks)
            case Emphasis(children) | Strong(children) | Strike(children):
                return self.draw(children, (*looks, _STYLED[type(inline)]))
            case Code(words):
                return run(words, (*looks, '<w:rStyle w:val="Code"/>'))
            case Link(target, children):
                inside = self.draw(children, (*looks, '<w:rStyle w:val="Hyperlink"/>'))
                return f'<w:hyperlink r:id="{self.links.id_of(target)}" w:history="1">{inside}</w:hyperlink>'
            case Break():
                return "<w:r><w:br/></w:r>"
            case NoteMark(number):
                return self._mark(self.first_note + number - 1)

    def _mark(self, note: int) -> str:
        """Word numbers the notes by itself, through the whole book; a second mark refers to the first."""
        looks = '<w:rStyle w:val="FootnoteReference"/>'
        if note in self.marked:
            return simple_field(f"NOTEREF note{note} \\f \\h", run(str(note), [looks]), [looks])
        self.marked.add(note)
        reference = f'<w:r><w:rPr>{looks}</w:rPr><w:footnoteReference w:id="{note}"/></w:r>'
        start = f'<w:bookmarkStart w:id="{NOTE_BOOKMARKS + note}" w:name="note{note}"/>'
        return f'{start}{reference}<w:bookmarkEnd w:id="{NOTE_BOOKMARKS + note}"/>'


NOTE_BOOKMARKS = 1_000_000
"""Bookmarks of notes are numbered from here, those of chapters from 1."""
