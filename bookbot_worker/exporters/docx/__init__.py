"""A manuscript as a DOCX, for Word, LibreOffice and publishers: every paragraph has a named style.

Owns the archive: which parts, in which order. Its bytes depend on the manuscript and the options alone.
"""

from collections.abc import Iterator

from bookbot_worker.exporters import Progress
from bookbot_worker.exporters.archive import packed
from bookbot_worker.exporters.docx import parts
from bookbot_worker.exporters.docx.pages import Pages
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions


def export_docx(manuscript: Manuscript, options: ExportOptions, progress: Progress) -> bytes:
    """The DOCX's bytes; `progress` is called after every chapter, and what it raises passes through."""
    return packed(
        (name, part.encode() if isinstance(part, str) else part)
        for name, part in _members(manuscript, options, progress)
    )


def _members(book: Manuscript, options: ExportOptions, progress: Progress) -> Iterator[tuple[str, str | bytes]]:
    pages = Pages(book, options, progress)
    text, body, cover = pages.draw(), pages.body, options.cover
    picture = f"cover.{cover.extension}" if cover else ""
    yield "[Content_Types].xml", parts.content_types(cover.media_type if cover else "")
    yield "_rels/.rels", parts.package_relations()
    yield "docProps/core.xml", parts.core_properties(book)
    yield "docProps/app.xml", parts.app_properties(book)
    document = f"<w:document {parts.NAMESPACES}><w:body>{text}</w:body></w:document>"
    yield "word/document.xml", parts.DECLARATION + document
    yield "word/_rels/document.xml.rels", parts.document_relations(body.links.ids, picture)
    yield "word/styles.xml", parts.styles(book, options)
    yield from parts.fonts(options)
    yield "word/numbering.xml", parts.numbering(body.lists.found)
    yield "word/settings.xml", parts.settings(book)
    yield "word/footnotes.xml", parts.footnotes(body.notes)
    yield "word/_rels/footnotes.xml.rels", parts.note_relations(body.note_links.ids)
    yield from parts.heads_and_feet(book, options)
    if cover:
        yield f"word/{picture}", cover.content
