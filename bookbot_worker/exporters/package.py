"""The package files of an EPUB: what tells a reading system which pages there are, in which order, about what book.

Owns container.xml, the OPF package document (EPUB 3.3) and the NCX for older readers. It renders no page.
"""

from datetime import UTC

from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.pages import COLOPHON, CONTENTS, STYLESHEET, TITLE_PAGE, chapter_file
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
    (
        "accessibilitySummary",
        "Text only, with a table of contents and a heading for every chapter; its look can be changed freely.",
    ),
)


def package_document(book: Manuscript) -> str:
    """The OPF: metadata, every file, the reading order and its direction."""
    chapters = [(f"chapter-{index}", chapter_file(index), "") for index in range(1, len(book.chapters) + 1)]
    pages = [("title", TITLE_PAGE, ""), ("nav", CONTENTS, ' properties="nav"'), *chapters, ("colophon", COLOPHON, "")]
    items = "".join(
        f'<item id="{ident}" href="{file}" media-type="application/xhtml+xml"{properties} />\n'
        for ident, file, properties in pages
    )
    order = "".join(f'<itemref idref="{ident}" />\n' for ident, _, _ in pages)
    direction = "rtl" if is_right_to_left(book.language) else "ltr"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="book-id" '
        f'xml:lang="{attribute(book.language)}" dir="{direction}">\n'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">\n{_metadata(book)}</metadata>\n'
        f'<manifest>\n{items}<item id="css" href="{STYLESHEET}" media-type="text/css" />\n'
        f'<item id="ncx" href="{NCX}" media-type="application/x-dtbncx+xml" />\n</manifest>\n'
        f'<spine toc="ncx" page-progression-direction="{direction}">\n{order}</spine>\n</package>\n'
    )


def ncx(book: Manuscript) -> str:
    """The table of contents for readers of EPUB 2."""
    points = "".join(
        f'<navPoint id="chapter-{index}" playOrder="{index}">\n<navLabel><text>{attribute(chapter.title)}</text>'
        f'</navLabel>\n<content src="{chapter_file(index)}" />\n</navPoint>\n'
        for index, chapter in enumerate(book.chapters, 1)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1" xml:lang="{attribute(book.language)}">\n'
        f'<head>\n<meta name="dtb:uid" content="{attribute(book.identifier)}" />\n</head>\n'
        f"<docTitle><text>{attribute(book.title)}</text></docTitle>\n<navMap>\n{points}</navMap>\n</ncx>\n"
    )


def _metadata(book: Manuscript) -> str:
    modified = book.modified.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    author = ""
    if book.author:
        author = (
            f'<dc:creator id="creator">{attribute(book.author)}</dc:creator>\n'
            '<meta refines="#creator" property="role" scheme="marc:relators">aut</meta>\n'
        )
    accessibility = "".join(f'<meta property="schema:{name}">{words}</meta>\n' for name, words in _ACCESSIBILITY)
    return (
        f'<dc:identifier id="book-id">{attribute(book.identifier)}</dc:identifier>\n'
        f"<dc:title>{attribute(book.title)}</dc:title>\n"
        f"<dc:language>{attribute(book.language)}</dc:language>\n"
        f'{author}<meta property="dcterms:modified">{modified}</meta>\n{accessibility}'
    )
