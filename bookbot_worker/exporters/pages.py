"""The XHTML pages of an EPUB in reading order: cover, title page, sections, parts, chapters, colophon.

Owns their markup and semantics (epub:type and the ARIA roles that go with it). The contents are `contents.py`; it
knows nothing of the container the pages are packed in, but the names of the files they link to.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bookbot_worker.exporters import Progress, chapter_progress
from bookbot_worker.exporters.manuscript import Chapter, Manuscript, Part, Section
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.words import is_right_to_left
from bookbot_worker.exporters.xhtml import attribute, fragment
from shared.covers import Cover

STYLESHEET = "book.css"
TITLE_PAGE = "title.xhtml"
COVER_PAGE = "cover.xhtml"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the book. `title` is what the contents say, "" where they do not; `depth` is 1 inside a part."""

    ident: str
    file: str
    title: str
    markup: str
    depth: int = 0


def cover_file(cover: Cover) -> str:
    """The file name of the cover's picture."""
    return f"cover.{cover.extension}"


def opening_pages(book: Manuscript, options: ExportOptions) -> Iterator[Page]:
    """What stands before the contents: the cover and the title page."""
    if options.cover:
        yield Page("cover", COVER_PAGE, "", _cover(book, options, options.cover))
    yield Page("title", TITLE_PAGE, "", _title(book, options))


def text_pages(book: Manuscript, options: ExportOptions, progress: Progress) -> Iterator[Page]:
    """What stands after the contents; `progress` is called after every chapter."""
    for index, section in enumerate(book.front, 1):
        yield _section(book, options, section, f"front-{index}", "frontmatter")
    total, done = len(book.chapters), 0
    for index, part in enumerate(book.parts, 1):
        if part.title:
            yield _part(book, options, part, f"part-{index}")
        for chapter in part.chapters:
            done += 1
            name = f"chapter-{done:04d}"
            markup = _chapter(book, options, chapter)
            yield Page(name, f"{name}.xhtml", chapter.title, markup, depth=1 if part.title else 0)
            progress(*chapter_progress(done, total))
    for index, section in enumerate(book.back, 1):
        yield _section(book, options, section, f"back-{index}", "backmatter")
    yield Page("colophon", "colophon.xhtml", "", _colophon(book, options))


def page(book: Manuscript, options: ExportOptions, title: str, body: str, part: str) -> str:
    """A whole XHTML file around a body; `part` is "frontmatter", "bodymatter" or "backmatter"."""
    language = attribute(book.language)
    direction = "rtl" if is_right_to_left(book.language) else "ltr"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" '
        f'lang="{language}" xml:lang="{language}" dir="{direction}">\n'
        f'<head>\n<meta charset="utf-8" />\n<title>{attribute(title)}</title>\n'
        f'<link rel="stylesheet" type="text/css" href="{STYLESHEET}" />\n</head>\n'
        f'<body class="{options.font}" epub:type="{part}">\n{body}</body>\n</html>\n'
    )


def _cover(book: Manuscript, options: ExportOptions, cover: Cover) -> str:
    words = f"{book.terms.cover}: {book.title}"
    picture = f'<img src="{cover_file(cover)}" alt="{attribute(words)}" role="doc-cover" />'
    body = f'<section class="cover" epub:type="cover">\n<p>{picture}</p>\n</section>\n'
    return page(book, options, book.title, body, "frontmatter")


def _title(book: Manuscript, options: ExportOptions) -> str:
    author = f'<p class="author" dir="auto">{attribute(book.author)}</p>\n' if book.author else ""
    draft = f'<p class="draft">{attribute(book.terms.draft)}</p>\n' if options.is_draft else ""
    body = (
        '<section class="titlepage" epub:type="titlepage">\n'
        f'<h1 class="title" dir="auto">{attribute(book.title)}</h1>\n{author}{draft}</section>\n'
    )
    return page(book, options, book.title, body, "frontmatter")


def _section(book: Manuscript, options: ExportOptions, section: Section, name: str, matter: str) -> Page:
    heading = f'<header>\n<h1 dir="auto">{attribute(section.title)}</h1>\n</header>\n' if section.title else ""
    text = fragment(section.read(), below=1, is_epub=True)
    kind = "section" if section.title else "section untitled"
    body = f'<section class="{kind}">\n{heading}{text}</section>\n'
    return Page(name, f"{name}.xhtml", section.title, page(book, options, section.title or book.title, body, matter))


def _part(book: Manuscript, options: ExportOptions, part: Part, name: str) -> Page:
    body = (
        '<section class="part" epub:type="part" role="doc-part" aria-labelledby="heading">\n'
        f'<h1 id="heading" dir="auto">{attribute(part.title)}</h1>\n</section>\n'
    )
    return Page(name, f"{name}.xhtml", part.title, page(book, options, part.title, body, "bodymatter"))


def _chapter(book: Manuscript, options: ExportOptions, chapter: Chapter) -> str:
    number = f'<p class="number">{chapter.label}</p>\n' if chapter.label else ""
    body = (
        '<section class="chapter" epub:type="chapter" role="doc-chapter" aria-labelledby="heading">\n'
        f'<header>\n{number}<h1 id="heading" dir="auto">{attribute(chapter.title)}</h1>\n</header>\n'
        f"{fragment(chapter.read(), below=1, is_epub=True)}</section>\n"
    )
    return page(book, options, chapter.title, body, "bodymatter")


def _colophon(book: Manuscript, options: ExportOptions) -> str:
    body = (
        '<section class="colophon" epub:type="colophon" role="doc-colophon" aria-label="Colophon" '
        f'lang="en" xml:lang="en" dir="ltr">\n<p>{attribute(book.colophon)}</p>\n</section>\n'
    )
    return page(book, options, "Colophon", body, "backmatter")
