"""A manuscript as an EPUB 3 file: pages and package files, packed.

Owns the archive: its order, its fixed times, its bytes, which depend on the manuscript and the options alone. It reads
nothing but its own stylesheet.
"""

import zipfile
from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO

from bookbot_worker.exporters import Progress
from bookbot_worker.exporters.contents import contents_page, ncx
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.package import CONTAINER_XML, FOLDER, NCX, PACKAGE, package_document
from bookbot_worker.exporters.pages import STYLESHEET, cover_file, opening_pages, text_pages

MEDIA_TYPE = "application/epub+zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip entry can have; fixed, so that bytes repeat
_READABLE_BY_ALL = 0o100644 << 16
_UNIX = 3


def export_epub(manuscript: Manuscript, options: ExportOptions, progress: Progress) -> bytes:
    """The EPUB's bytes; `progress` is called after every chapter, and what it raises passes through."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # The media type comes first and uncompressed, so that it can be read at a fixed offset (OCF 3.3, section 4.2).
        archive.writestr(_entry("mimetype", zipfile.ZIP_STORED), MEDIA_TYPE)
        for name, content in _members(manuscript, options, progress):
            archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), content)
    return buffer.getvalue()


def _members(book: Manuscript, options: ExportOptions, progress: Progress) -> Iterator[tuple[str, bytes]]:
    texts = list(text_pages(book, options, progress))
    pages = [*opening_pages(book, options), contents_page(book, options, texts), *texts]
    yield "META-INF/container.xml", CONTAINER_XML.encode()
    yield f"{FOLDER}/{PACKAGE}", package_document(book, options, pages).encode()
    yield f"{FOLDER}/{STYLESHEET}", (files("bookbot_worker.exporters") / STYLESHEET).read_bytes()
    if options.cover:
        yield f"{FOLDER}/{cover_file(options.cover)}", options.cover.content
    for page in pages:
        yield f"{FOLDER}/{page.file}", page.markup.encode()
    yield f"{FOLDER}/{NCX}", ncx(book, pages).encode()


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = compression
    entry.create_system = _UNIX
    entry.external_attr = _READABLE_BY_ALL
    return entry
