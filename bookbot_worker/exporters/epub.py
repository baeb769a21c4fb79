"""A manuscript as an EPUB 3 file: pages and package files, packed.

Owns the order of the archive; its bytes depend on the manuscript and the options alone. It reads nothing but its own
stylesheet.
"""

from collections.abc import Iterator
from importlib.resources import files

from bookbot_worker.exporters import Progress
from bookbot_worker.exporters.archive import packed
from bookbot_worker.exporters.contents import contents_page, ncx
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.package import CONTAINER_XML, FOLDER, NCX, PACKAGE, package_document
from bookbot_worker.exporters.pages import STYLESHEET, cover_file, opening_pages, text_pages

MEDIA_TYPE = "application/epub+zip"


def export_epub(manuscript: Manuscript, options: ExportOptions, progress: Progress) -> bytes:
    """The EPUB's bytes; `progress` is called after every chapter, and what it raises passes through."""
    # The media type comes first and uncompressed, so that it can be read at a fixed offset (OCF 3.3, section 4.2).
    members = [("mimetype", MEDIA_TYPE.encode()), *_members(manuscript, options, progress)]
    return packed(members, stored=frozenset({"mimetype"}))


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
