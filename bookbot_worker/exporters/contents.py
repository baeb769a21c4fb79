"""The contents of an EPUB: the navigation document of EPUB 3, and the NCX for older readers.

Owns what is listed and how it is nested: chapters under their parts. It renders no page of the book.
"""

from collections.abc import Sequence

from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.pages import COVER_PAGE, TITLE_PAGE, Page, page
from bookbot_worker.exporters.xhtml import attribute

CONTENTS_PAGE = "nav.xhtml"


def contents_page(book: Manuscript, options: ExportOptions, pages: Sequence[Page]) -> Page:
    """The navigation document: the contents for people and reading systems, and the landmarks."""
    terms = book.terms
    heading, language = attribute(terms.contents), attribute(terms.language)
    begin = next(entry for entry in pages if entry.ident.startswith(("part", "chapter")))
    landmarks = [
        *([("cover", COVER_PAGE, terms.cover)] if options.cover else []),
        ("titlepage", TITLE_PAGE, book.title),
        ("toc", CONTENTS_PAGE, terms.contents),
        ("bodymatter", begin.file, begin.title),
    ]
    marked = "".join(
        f'<li><a epub:type="{kind}" href="{file}">{attribute(words)}</a></li>\n' for kind, file, words in landmarks
    )
    body = (
        '<nav class="contents" epub:type="toc" role="doc-toc" aria-labelledby="heading">\n'
        f'<h1 id="heading" lang="{language}" xml:lang="{language}">{heading}</h1>\n<ol>\n{_items(pages)}</ol>\n</nav>\n'
        f'<nav epub:type="landmarks" aria-label="Landmarks" hidden="hidden">\n<ol>\n{marked}</ol>\n</nav>\n'
    )
    return Page("nav", CONTENTS_PAGE, "", page(book, options, terms.contents, body, "frontmatter"))


def ncx(book: Manuscript, pages: Sequence[Page]) -> str:
    """The contents for readers of EPUB 2."""
    order = {entry.ident: place for place, entry in enumerate((page for page in pages if page.title), 1)}

    def point(entry: Page, inside: str = "") -> str:
        label = f"<navLabel><text>{attribute(entry.title)}</text></navLabel>"
        target = f'<content src="{entry.file}" />'
        place = order[entry.ident]
        return f'<navPoint id="{entry.ident}" playOrder="{place}">\n{label}\n{target}\n{inside}</navPoint>\n'

    points = "".join(point(entry, "".join(map(point, inside))) for entry, inside in _nested(pages))
    depth = 2 if any(entry.depth for entry in pages) else 1
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1" xml:lang="{attribute(book.language)}">\n'
        f'<head>\n<meta name="dtb:uid" content="{attribute(book.identifier)}" />\n'
        f'<meta name="dtb:depth" content="{depth}" />\n</head>\n'
        f"<docTitle><text>{attribute(book.title)}</text></docTitle>\n<navMap>\n{points}</navMap>\n</ncx>\n"
    )


def _items(pages: Sequence[Page]) -> str:
    """The list items of the contents, a part's chapters in a list of their own."""

    def item(entry: Page, inside: str = "") -> str:
        return f'<li><a href="{entry.file}">{attribute(entry.title)}</a>{inside}</li>\n'

    return "".join(
        item(entry, f"\n<ol>\n{''.join(map(item, inside))}</ol>\n" if inside else "")
        for entry, inside in _nested(pages)
    )


def _nested(pages: Sequence[Page]) -> list[tuple[Page, list[Page]]]:
    """The pages that are listed, each with those that stand inside it."""
    nested: list[tuple[Page, list[Page]]] = []
    for entry in pages:
        if entry.depth:
            nested[-1][1].append(entry)
        elif entry.title:
            nested.append((entry, []))
    return nested
