"""The XHTML pages of an EPUB: title page, contents, chapters, colophon.

Owns their markup and semantics (epub:type and the ARIA roles that go with it). It knows nothing of the container
they are packed in, but the names of the files they link to.
"""

from bookbot_worker.exporters.manuscript import Chapter, Manuscript
from bookbot_worker.exporters.words import is_right_to_left
from bookbot_worker.exporters.xhtml import attribute, fragment

STYLESHEET = "book.css"
TITLE_PAGE = "title.xhtml"
CONTENTS = "nav.xhtml"
COLOPHON = "colophon.xhtml"


def chapter_file(index: int) -> str:
    """The file name of the chapter at `index`, counted from 1."""
    return f"chapter-{index:04d}.xhtml"


def title_page(book: Manuscript) -> str:
    """Title and author, alone on a page."""
    author = f'<p class="author" dir="auto">{attribute(book.author)}</p>\n' if book.author else ""
    return _page(
        book,
        book.title,
        '<section class="titlepage" epub:type="titlepage">\n'
        f'<h1 class="title" dir="auto">{attribute(book.title)}</h1>\n{author}</section>\n',
        "frontmatter",
    )


def chapter_page(book: Manuscript, chapter: Chapter) -> str:
    """One chapter: its heading, then its scenes with a break between each two."""
    number = f'<p class="number">{chapter.label}</p>\n' if chapter.label else ""
    scenes = '<hr class="scene-break" />\n'.join(fragment(scene.text, below=1) for scene in chapter.scenes)
    return _page(
        book,
        chapter.title,
        '<section class="chapter" epub:type="chapter" role="doc-chapter" aria-labelledby="heading">\n'
        f'<header>\n{number}<h1 id="heading" dir="auto">{attribute(chapter.title)}</h1>\n</header>\n'
        f"{scenes}</section>\n",
        "bodymatter",
    )


def colophon_page(book: Manuscript) -> str:
    """How the book was made."""
    return _page(
        book,
        "Colophon",
        '<section class="colophon" epub:type="colophon" role="doc-colophon" aria-label="Colophon" '
        f'lang="en" xml:lang="en" dir="ltr">\n<p>{attribute(book.colophon)}</p>\n</section>\n',
        "backmatter",
    )


def contents_page(book: Manuscript) -> str:
    """The navigation document: the table of contents for people and reading systems, and the landmarks."""
    heading = "Contents" if book.language.partition("-")[0] == "en" else book.title
    chapters = [(chapter_file(index), chapter.title) for index, chapter in enumerate(book.chapters, 1)]
    toc = "".join(f'<li><a href="{file}">{attribute(title)}</a></li>\n' for file, title in chapters)
    landmarks = (("titlepage", TITLE_PAGE, book.title), ("bodymatter", *chapters[0]))
    marked = "".join(
        f'<li><a epub:type="{kind}" href="{file}">{attribute(words)}</a></li>\n' for kind, file, words in landmarks
    )
    return _page(
        book,
        heading,
        '<nav class="contents" epub:type="toc" role="doc-toc" aria-labelledby="heading">\n'
        f'<h1 id="heading" dir="auto">{attribute(heading)}</h1>\n<ol>\n{toc}</ol>\n</nav>\n'
        f'<nav epub:type="landmarks" aria-label="Landmarks" hidden="hidden">\n<ol>\n{marked}</ol>\n</nav>\n',
        "frontmatter",
    )


def _page(book: Manuscript, title: str, body: str, part: str) -> str:
    language = attribute(book.language)
    direction = "rtl" if is_right_to_left(book.language) else "ltr"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" '
        f'lang="{language}" xml:lang="{language}" dir="{direction}">\n'
        f'<head>\n<meta charset="utf-8" />\n<title>{attribute(title)}</title>\n'
        f'<link rel="stylesheet" type="text/css" href="{STYLESHEET}" />\n</head>\n'
        f'<body epub:type="{part}">\n{body}</body>\n</html>\n'
    )
