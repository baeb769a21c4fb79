"""A manuscript as one HTML file that needs nothing else: its style and its cover are inside.

Owns the page around the text: head, title page, contents, chapters, colophon. A policy in the head forbids the file to
load or run anything, whatever a text might hold.
"""

from base64 import b64encode
from importlib.resources import files
from itertools import count

from bookbot_worker.exporters import Progress, chapter_progress
from bookbot_worker.exporters.manuscript import Chapter, Manuscript, Part, Section
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.words import is_right_to_left
from bookbot_worker.exporters.xhtml import attribute, fragment

_STYLESHEETS = ("book.css", "page.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def export_html(manuscript: Manuscript, options: ExportOptions, progress: Progress) -> bytes:
    """UTF-8 bytes, ending with a line feed; `progress` is called after every chapter."""
    parts = [_opening(manuscript, options), _contents(manuscript)]
    parts += [_section(section, f"front-{index}") for index, section in enumerate(manuscript.front, 1)]
    done, total = 0, len(manuscript.chapters)
    for index, part in enumerate(manuscript.parts, 1):
        if part.title:
            parts.append(_part(part, index))
        for chapter in part.chapters:
            done += 1
            parts.append(_chapter(chapter, f"chapter-{done}", level=3 if part.title else 2))
            progress(*chapter_progress(done, total))
    parts += [_section(section, f"back-{index}") for index, section in enumerate(manuscript.back, 1)]
    parts.append(_colophon(manuscript))
    return _document(manuscript, options, "".join(parts)).encode()


def _document(book: Manuscript, options: ExportOptions, body: str) -> str:
    style = "\n".join((files("bookbot_worker.exporters") / name).read_text("utf-8") for name in _STYLESHEETS)
    author = f'<meta name="author" content="{attribute(book.author)}" />\n' if book.author else ""
    direction = "rtl" if is_right_to_left(book.language) else "ltr"
    watermark = f' data-draft="{attribute(book.terms.draft)}"' if options.is_draft else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{attribute(book.language)}" dir="{direction}">\n<head>\n'
        f'<meta charset="utf-8" />\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}" />\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1" />\n'
        '<meta name="color-scheme" content="light dark" />\n<meta name="referrer" content="no-referrer" />\n'
        f"<title>{attribute(book.title)}</title>\n{author}<style>\n{style}</style>\n</head>\n"
        f'<body class="{options.font}"{watermark}>\n<main>\n{body}</main>\n</body>\n</html>\n'
    )


def _opening(book: Manuscript, options: ExportOptions) -> str:
    cover = ""
    if options.cover:
        data = f"data:{options.cover.media_type};base64,{b64encode(options.cover.content).decode()}"
        words = attribute(f"{book.terms.cover}: {book.title}")
        size = f'width="{options.cover.width}" height="{options.cover.height}"'
        cover = f'<p class="cover"><img src="{data}" alt="{words}" {size} role="doc-cover" /></p>\n'
    author = f'<p class="author" dir="auto">{attribute(book.author)}</p>\n' if book.author else ""
    draft = f'<p class="draft">{attribute(book.terms.draft)}</p>\n' if options.is_draft else ""
    title = f'<h1 class="title" dir="auto">{attribute(book.title)}</h1>\n'
    return f'{cover}<header class="titlepage">\n{title}{author}{draft}</header>\n'


def _contents(book: Manuscript) -> str:
    terms = book.terms
    numbers = count(1)
    listed = [_item(f"front-{index}", section.title) for index, section in enumerate(book.front, 1)]
    for index, part in enumerate(book.parts, 1):
        chapters = [_item(f"chapter-{next(numbers)}", chapter.title, chapter.label) for chapter in part.chapters]
        if part.title:
            inside = f"\n<ol>\n{''.join(chapters)}</ol>\n"
            listed.append(_item(f"part-{index}", part.title, inside=inside))
        else:
            listed += chapters
    listed += [_item(f"back-{index}", section.title) for index, section in enumerate(book.back, 1)]
    return (
        '<nav class="contents" role="doc-toc" aria-labelledby="contents">\n'
        f'<h2 id="contents" lang="{attribute(terms.language)}">{attribute(terms.contents)}</h2>\n'
        f"<ol>\n{''.join(listed)}</ol>\n</nav>\n"
    )


def _item(ident: str, title: str, label: str = "", inside: str = "") -> str:
    """A line of the contents; nothing for what has no title."""
    kind, number = (' class="numbered"', f'<span class="number">{label}</span> ') if label else ("", "")
    return f'<li{kind}>{number}<a href="#{ident}">{attribute(title)}</a>{inside}</li>\n' if title else ""


def _section(section: Section, ident: str) -> str:
    heading = f'<header>\n<h2 dir="auto">{attribute(section.title)}</h2>\n</header>\n' if section.title else ""
    kind = "section" if section.title else "section untitled"
    text = fragment(section.read(), below=2, prefix=f"{ident}-")
    return f'<section class="{kind}" id="{ident}">\n{heading}{text}</section>\n'


def _part(part: Part, index: int) -> str:
    title, ident = attribute(part.title), f"part-{index}"
    heading = f'<h2 id="{ident}-title" dir="auto">{title}</h2>'
    return (
        f'<section class="part" role="doc-part" id="{ident}" aria-labelledby="{ident}-title">\n{heading}\n</section>\n'
    )


def _chapter(chapter: Chapter, ident: str, *, level: int) -> str:
    number = f'<p class="number">{chapter.label}</p>\n' if chapter.label else ""
    return (
        f'<section class="chapter" role="doc-chapter" id="{ident}" aria-labelledby="{ident}-title">\n'
        f'<header>\n{number}<h{level} id="{ident}-title" dir="auto">{attribute(chapter.title)}</h{level}>\n</header>\n'
        f"{fragment(chapter.read(), below=level, prefix=f'{ident}-')}</section>\n"
    )


def _colophon(book: Manuscript) -> str:
    words = attribute(book.colophon)
    return (
        '<section class="colophon" role="doc-colophon" aria-label="Colophon" lang="en" dir="ltr">\n'
        f"<p>{words}</p>\n</section>\n"
    )
