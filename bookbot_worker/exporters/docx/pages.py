"""The book from its first page to its last, as the body of document.xml: which pages, which section, which bookmark.

Owns the sequence of pages and their sections (page size, margins, page numbers, running heads); the looks are in
styles.xml.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from bookbot_worker.exporters import Progress, chapter_progress
from bookbot_worker.exporters.docx.body import Body, paragraph
from bookbot_worker.exporters.docx.geometry import Geometry
from bookbot_worker.exporters.docx.headings import chapter_level
from bookbot_worker.exporters.docx.runs import run, simple_field, words_of
from bookbot_worker.exporters.manuscript import Chapter, Manuscript, Section
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.words import is_right_to_left
from shared.covers import Cover

_BREAK = '<w:r><w:br w:type="page"/></w:r>'
_UNBROKEN = '<w:pageBreakBefore w:val="0"/>'
_CLOSE = '<w:spacing w:before="0"/>'


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the contents."""

    title: str
    bookmark: str
    level: int


@dataclass(slots=True)
class Pages:
    """Draws one book; the body remembers what belongs to other parts of the file."""

    book: Manuscript
    options: ExportOptions
    progress: Progress
    body: Body = field(init=False)
    _bookmarks: "count[int]" = field(default_factory=lambda: count(1))
    _listed: list[_Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.body = Body(below=chapter_level(self.book), is_mirrored=is_right_to_left(self.book.language))

    def draw(self) -> str:
        """All pages, in order."""
        # Text first: the contents list what it holds.
        before = "".join(self._section(section) for section in self.book.front if section.title)
        chapters = "".join(self._chapters())
        after = "".join(self._section(section) for section in self.book.back)
        opening = "".join(self._opening())
        colophon = paragraph("Colophon", run(self.book.colophon))
        return f"{opening}{before}{self._end('front')}{chapters}{after}{colophon}{self._properties('main')}"

    def _opening(self) -> Iterator[str]:
        if self.options.cover:
            yield paragraph("Cover", _picture(self.options.cover, self._geometry, self._cover_words()))
            yield self._end("cover")
        yield paragraph("HalfTitle", run(self.book.title))
        yield paragraph("Title", run(self.book.title), "<w:pageBreakBefore/>")
        if self.book.author:
            yield paragraph("Subtitle", run(self.book.author))
        if self.options.is_draft:
            yield paragraph("Subtitle", run(self.book.terms.draft))
        for section in self.book.front:
            if not section.title:
                yield self._untitled(section)
        yield from self._contents()

    def _contents(self) -> Iterator[str]:
        yield paragraph("TOCHeading", run(self.book.terms.contents))
        # By outline levels: names of styles are written differently in every language of Word.
        code = f'TOC \\o "1-{chapter_level(self.book)}" \\h \\z \\u'
        begin, end = simple_field(code, "\0", is_stale=True).split("\0")
        last = len(self._listed) - 1
        for at, entry in enumerate(self._listed):
            link = f'<w:hyperlink w:anchor="{entry.bookmark}" w:history="1">{run(entry.title)}</w:hyperlink>'
            yield paragraph(f"TOC{entry.level}", (begin if at == 0 else "") + link + (end if at == last else ""))

    def _chapters(self) -> Iterator[str]:
        total, done = len(self.book.chapters), 0
        for part in self.book.parts:
            if part.title:
                yield self._heading("Heading1", part.title, level=1)
            for chapter in part.chapters:
                done += 1
                yield self._chapter(chapter)
                self.progress(*chapter_progress(done, total))

    def _chapter(self, chapter: Chapter) -> str:
        level = chapter_level(self.book)
        label = paragraph("ChapterNumber", run(chapter.label)) if chapter.label else ""
        properties = _UNBROKEN + _CLOSE if label else ""
        heading = self._heading(f"Heading{level}", chapter.title, level, properties)
        return f"{label}{heading}{self.body.content(chapter.read())}"

    def _section(self, section: Section) -> str:
        if not section.title:
            return self._untitled(section)
        return self._heading("SectionTitle", section.title, level=1) + self.body.content(section.read())

    def _untitled(self, section: Section) -> str:
        """A dedication: the page break is a paragraph of its own, whatever the text begins with."""
        return paragraph("Dedication", "") + self.body.content(section.read(), style="DedicationText")

    def _heading(self, style: str, title: str, level: int, properties: str = "") -> str:
        number = next(self._bookmarks)
        name = f"_Toc{number:08d}"
        self._listed.append(_Entry(title, name, level))
        start = f'<w:bookmarkStart w:id="{number}" w:name="{name}"/>'
        return paragraph(style, f'{start}{run(title)}<w:bookmarkEnd w:id="{number}"/>', properties)

    @property
    def _geometry(self) -> Geometry:
        return Geometry.of(self.options.trim)

    def _cover_words(self) -> str:
        return f"{self.book.terms.cover}: {self.book.title}"

    def _end(self, kind: str) -> str:
        """An empty paragraph that ends a section."""
        return f"<w:p><w:pPr>{self._properties(kind)}</w:pPr></w:p>"

    def _properties(self, kind: str) -> str:
        """A section's: pages before the text have Roman numbers, those of the text begin with 1."""
        size = self._geometry
        numbers = {"front": '<w:pgNumType w:fmt="lowerRoman"/>', "main": '<w:pgNumType w:fmt="decimal" w:start="1"/>'}
        begin = {"main": "oddPage", "front": "oddPage" if self.options.cover else "nextPage"}.get(kind, "nextPage")
        references = "".join(_references(kind))
        direction = "<w:bidi/><w:rtlGutter/>" if is_right_to_left(self.book.language) else ""
        first = "<w:titlePg/>" if kind != "main" else ""
        return (
            f'<w:sectPr>{references}<w:type w:val="{begin}"/>{size.page}{size.margins(is_cover=kind == "cover")}'
            f"{numbers.get(kind, '')}{first}{direction}</w:sectPr>"
        )


def _references(kind: str) -> Iterator[str]:
    """The running heads and numbers of a section, by the ids of document.xml.rels; a section without has empty ones."""
    named: dict[str, Sequence[str]] = {
        "main": ("headerEven", "headerOdd", "footerPage"),
        "front": ("headerNone", "headerNone", "footerPage"),
        "cover": ("headerNone", "headerNone", "footerNone"),
    }
    even, odd, foot = named[kind]
    yield f'<w:headerReference w:type="even" r:id="{even}"/><w:headerReference w:type="default" r:id="{odd}"/>'
    yield f'<w:footerReference w:type="even" r:id="{foot}"/><w:footerReference w:type="default" r:id="{foot}"/>'


def _picture(cover: Cover, size: Geometry, words: str) -> str:
    """The cover on the whole page, from edge to edge or, where it has another shape, as large as it fits."""
    width, height = size.fitted(cover.width, cover.height)
    name = words_of(words)
    graphic = (
        '<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic>'
        f'<pic:nvPicPr><pic:cNvPr id="1" name="cover" descr="{name}"/><pic:cNvPicPr/></pic:nvPicPr>'
        '<pic:blipFill><a:blip r:embed="cover"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>'
        f'<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="{width}" cy="{height}"/></a:xfrm>'
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic>'
    )
    return (
        '<w:r><w:drawing><wp:anchor distT="0" distB="0" distL="0" distR="0" simplePos="0" relativeHeight="1" '
        'behindDoc="0" locked="0" layoutInCell="1" allowOverlap="1"><wp:simplePos x="0" y="0"/>'
        '<wp:positionH relativeFrom="page"><wp:align>center</wp:align></wp:positionH>'
        '<wp:positionV relativeFrom="page"><wp:align>center</wp:align></wp:positionV>'
        f'<wp:extent cx="{width}" cy="{height}"/><wp:wrapNone/><wp:docPr id="1" name="cover" descr="{name}"/>'
        f"<wp:cNvGraphicFramePr/>{graphic}</wp:anchor></w:drawing></w:r>"
    )
