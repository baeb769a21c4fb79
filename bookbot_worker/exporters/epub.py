"""A manuscript as an EPUB 3 file: pages and package files, packed.

Owns the archive: its order, its fixed times, its bytes, which depend on the manuscript alone. It reads nothing but
its own stylesheet.
"""

import zipfile
from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO

from bookbot_worker.exporters import Progress, chapter_progress
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.package import CONTAINER_XML, FOLDER, NCX, PACKAGE, ncx, package_document
from bookbot_worker.exporters.pages import (
    COLOPHON,
    CONTENTS,
    STYLESHEET,
    TITLE_PAGE,
    chapter_file,
    chapter_page,
    colophon_page,
    contents_page,
    title_page,
)

MEDIA_TYPE = "application/epub+zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip entry can have; fixed, so that bytes repeat
_READABLE_BY_ALL = 0o100644 << 16
_UNIX = 3


def export_epub(book: Manuscript, options: ExportOptions, progress: Progress) -> bytes:
    """The EPUB's bytes; `progress` is called after every chapter, and what it raises passes through."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # The media type comes first and uncompressed, so that it can be read at a fixed offset (OCF 3.3, section 4.2).
        archive.writestr(_entry("mimetype", zipfile.ZIP_STORED), MEDIA_TYPE)
        for name, text in _members(book, progress):
            archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), text.encode())
    return buffer.getvalue()


def _members(book: Manuscript, progress: Progress) -> Iterator[tuple[str, str]]:
    yield "META-INF/container.xml", CONTAINER_XML
    yield f"{FOLDER}/{PACKAGE}", package_document(book)
    yield f"{FOLDER}/{STYLESHEET}", (files("bookbot_worker.exporters") / STYLESHEET).read_text("utf-8")
    yield f"{FOLDER}/{TITLE_PAGE}", title_page(book)
    yield f"{FOLDER}/{CONTENTS}", contents_page(book)
    for index, chapter in enumerate(book.chapters, 1):
        yield f"{FOLDER}/{chapter_file(index)}", chapter_page(book, chapter)
        progress(*chapter_progress(index, len(book.chapters)))
    yield f"{FOLDER}/{COLOPHON}", colophon_page(book)
    yield f"{FOLDER}/{NCX}", ncx(book)


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = compression
    entry.create_system = _UNIX
    entry.external_attr = _READABLE_BY_ALL
    return entry
