"""The package files of an EPUB: what tells a reading system which pages there are, in which order, about what book.

Owns container.xml and the OPF package document (EPUB 3.3). It renders no page.
"""

from collections.abc import Sequence
from datetime import UTC

from bookbot_worker.exporters.contents import CONTENTS_PAGE
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.pages import STYLESHEET, Page, cover_file
from bookbot_worker.exporters.words import is_right_to_left
from bookbot_worker.exporters.xhtml import attribute

FOLDER = "EPUB"
PACKAGE = "package.opf"
NCX = "toc.ncx"

CONTAINER_XML = f"""\
<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles>
<rootfile full-path="{FOLDER}/{PACKAGE}" media-type="application/oebps-package+xml" />
</rootfiles>
</container>
"""

# https://www.w3.org/TR/epub-a11y-11/#sec-disc-package
_ACCESSIBILITY = (
    ("accessMode", "textual"),
    ("accessModeSufficient", "textual"),
    ("accessibilityFeature", "tableOfContents"),
    ("accessibilityFeature", "structuralNavigation"),
    ("accessibilityFeature", "readingOrder"),
    ("accessibilityFeature", "displayTransformability"),
    ("accessibilityHazard", "none"),
)
_WITH_COVER = (("accessMode", "visual"), ("accessibilityFeature", "alternativeText"))
_SUMMARY = "Text, with a table of contents and a heading for every chapter; its look can be changed freely."


def package_document(book: Manuscript, options: ExportOptions, pages: Sequence[Page]) -> str:
    """The OPF: metadata, every file, the reading order and its direction."""
    nav = {CONTENTS_PAGE: ' properties="nav"'}
    items = "".join(
        f'<item id="{page.ident}" href="{page.file}" media-type="application/xhtml+xml"{nav.get(page.file, "")} />\n'
        for page in pages
    )
    if options.cover:
        items += (
            f'<item id="cover-image" href="{cover_file(options.cover)}" media-type="{options.cover.media_type}" '
            'properties="cover-image" />\n'
        )
    order = "".join(f'<itemref idref="{page.ident}" />\n' for page in pages)
    direction = "rtl" if is_right_to_left(book.language) else "ltr"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="book-id" '
        f'xml:lang="{attribute(book.language)}" dir="{direction}">\n'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">\n{_metadata(book, options)}</metadata>\n'
        f'<manifest>\n{items}<item id="css" href="{STYLESHEET}" media-type="text/css" />\n'
        f'<item id="ncx" href="{NCX}" media-type="application/x-dtbncx+xml" />\n</manifest>\n'
        f'<spine toc="ncx" page-progression-direction="{direction}">\n{order}</spine>\n</package>\n'
    )


def _metadata(book: Manuscript, options: ExportOptions) -> str:
    modified = book.modified.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    author = ""
    if book.author:
        author = (
            f'<dc:creator id="creator">{attribute(book.author)}</dc:creator>\n'
            '<meta refines="#creator" property="role" scheme="marc:relators">aut</meta>\n'
        )
    said = (*_ACCESSIBILITY, *(_WITH_COVER if options.cover else ()), ("accessibilitySummary", _SUMMARY))
    accessibility = "".join(f'<meta property="schema:{name}">{words}</meta>\n' for name, words in said)
    cover = '<meta name="cover" content="cover-image" />\n' if options.cover else ""
    return (
        f'<dc:identifier id="book-id">{attribute(book.identifier)}</dc:identifier>\n'
        f"<dc:title>{attribute(book.title)}</dc:title>\n"
        f"<dc:language>{attribute(book.language)}</dc:language>\n"
        f'{author}<meta property="dcterms:modified">{modified}</meta>\n{accessibility}{cover}'
    )
