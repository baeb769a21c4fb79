"""The other parts of a DOCX: what types its files have, what they refer to, styles, lists, notes, heads, properties.

Owns their XML (ECMA-376, transitional). The text itself is `pages.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from importlib.resources import files
from string import Template

from bookbot_worker.exporters.docx.body import BULLETS, NUMBERS
from bookbot_worker.exporters.docx.geometry import Geometry
from bookbot_worker.exporters.docx.headings import chapter_level, headings
from bookbot_worker.exporters.docx.runs import run, simple_field, words_of
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.exporters.words import is_right_to_left

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    f'xmlns:r="{_OFFICE}/relationships" xmlns:a="{_DRAWING}/main" xmlns:pic="{_DRAWING}/picture" '
    f'xmlns:wp="{_DRAWING}/wordprocessingDrawing"'
)
# Names of parts under word/, with the kind of part each is.
_PARTS = {
    "styles": "styles",
    "numbering": "numbering",
    "settings": "settings",
    "footnotes": "footnotes",
    "fontTable": "fontTable",
    "theme": "theme",
    "headerEven": "header",
    "headerOdd": "header",
    "headerNone": "header",
    "footerPage": "footer",
    "footerNone": "footer",
}
# Fonts that Word, LibreOffice and Pages have or replace by the like; a publisher sets their own in one style.
_FONTS = {"serif": ("Georgia", "Times New Roman"), "sans": ("Arial", "Arial")}
_LEVELS = range(9)


def content_types(picture: str) -> str:
    """[Content_Types].xml; `picture` is the media type of the cover, "" without."""
    defaults = {"rels": "application/vnd.openxmlformats-package.relationships+xml", "xml": "application/xml"}
    if picture:
        defaults["png" if picture == "image/png" else "jpg"] = picture
    overrides = {f"/word/{name}.xml": f"{_WORD}.{kind}+xml" for name, kind in _PARTS.items()} | {
        "/word/theme.xml": "application/vnd.openxmlformats-officedocument.theme+xml",
        "/word/document.xml": f"{_WORD}.document.main+xml",
        "/docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
        "/docProps/app.xml": "application/vnd.openxmlformats-officedocument.extended-properties+xml",
    }
    return (
        f'{DECLARATION}<Types xmlns="{_PACKAGE}/content-types">'
        + "".join(f'<Default Extension="{name}" ContentType="{kind}"/>' for name, kind in defaults.items())
        + "".join(f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in overrides.items())
        + "</Types>"
    )


def package_relations() -> str:
    """_rels/.rels"""
    return _relations(
        [
            ("document", f"{_OFFICE}/relationships/officeDocument", "word/document.xml", ""),
            ("core", f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml", ""),
            ("app", f"{_OFFICE}/relationships/extended-properties", "docProps/app.xml", ""),
        ]
    )


def document_relations(links: Mapping[str, str], cover: str) -> str:
    """word/_rels/document.xml.rels; `cover` is the file of the picture, "" without."""
    parts = [(name, f"{_OFFICE}/relationships/{kind}", f"{name}.xml", "") for name, kind in _PARTS.items()]
    if cover:
        parts.append(("cover", f"{_OFFICE}/relationships/image", cover, ""))
    return _relations([*parts, *_links(links)])


def note_relations(links: Mapping[str, str]) -> str:
    """word/_rels/footnotes.xml.rels"""
    return _relations(list(_links(links)))


def _links(links: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    for target, ident in links.items():
        yield ident, f"{_OFFICE}/relationships/hyperlink", target, ' TargetMode="External"'


def _relations(rows: Sequence[tuple[str, str, str, str]]) -> str:
    drawn = "".join(
        f'<Relationship Id="{ident}" Type="{kind}" Target="{words_of(target)}"{mode}/>'
        for ident, kind, target, mode in rows
    )
    return f'{DECLARATION}<Relationships xmlns="{_PACKAGE}/relationships">{drawn}</Relationships>'


def styles(book: Manuscript, options: ExportOptions) -> str:
    """styles.xml, with the book's language, direction and font."""
    size = Geometry.of(options.trim)
    sink = round(size.height * 0.1)
    font, complex_font = _FONTS[options.font]
    return _resource("styles.xml").substitute(
        font=font,
        complex=complex_font,
        size=22,
        language=words_of(book.language),
        direction="<w:bidi/>" if is_right_to_left(book.language) else "",
        headings=headings(book, sink),
        chapter=f"Heading{chapter_level(book)}",
        sink=sink,
        measure=size.measure,
    )


def fonts(options: ExportOptions) -> Iterator[tuple[str, str]]:
    """The parts that name the fonts: fontTable.xml and the theme, of which only its fonts are used."""
    font, complex_font = _FONTS[options.font]
    named = "".join(f'<w:font w:name="{name}"/>' for name in dict.fromkeys((font, complex_font, "Courier New")))
    yield "word/fontTable.xml", f"{DECLARATION}<w:fonts {NAMESPACES}>{named}</w:fonts>"
    yield "word/theme.xml", _resource("theme.xml").substitute(font=font, complex=complex_font)


def numbering(lists: Sequence[tuple[int, int]]) -> str:
    """numbering.xml: two kinds of lists, and every list of the book as one of a kind."""
    signs = {BULLETS: ("bullet", "•◦▪"), NUMBERS: ("decimal", "")}
    kinds = "".join(
        f'<w:abstractNum w:abstractNumId="{kind}"><w:multiLevelType w:val="multilevel"/>'
        + "".join(_level(level, form, marks) for level in _LEVELS)
        + "</w:abstractNum>\n"
        for kind, (form, marks) in signs.items()
    )
    drawn = "".join(
        f'<w:num w:numId="{ident}"><w:abstractNumId w:val="{kind}"/>'
        + "".join(
            f'<w:lvlOverride w:ilvl="{level}"><w:startOverride w:val="{start}"/></w:lvlOverride>' for level in _LEVELS
        )
        + "</w:num>\n"
        for ident, (kind, start) in enumerate(lists, 1)
    )
    return _resource("numbering.xml").substitute(kinds=kinds, lists=drawn)


def _level(level: int, form: str, marks: str) -> str:
    text = marks[level % len(marks)] if marks else f"%{level + 1}."
    indent = f'<w:pPr><w:ind w:left="{360 * (level + 2)}" w:hanging="360"/></w:pPr>'
    return (
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="{text}"/><w:lvlJc w:val="left"/>{indent}</w:lvl>'
    )


def footnotes(notes: Sequence[str]) -> str:
    """footnotes.xml: the two that draw the line above the notes, then the book's."""
    lines = "".join(
        f'<w:footnote w:type="{kind}" w:id="{ident}"><w:p><w:r><w:{mark}/></w:r></w:p></w:footnote>'
        for ident, kind, mark in (
            (-1, "separator", "separator"),
            (0, "continuationSeparator", "continuationSeparator"),
        )
    )
    return f"{DECLARATION}<w:footnotes {NAMESPACES}>{lines}{''.join(notes)}</w:footnotes>"


def settings(book: Manuscript) -> str:
    """settings.xml"""
    language = words_of(book.language)
    return (
        f"{DECLARATION}<w:settings {NAMESPACES}><w:mirrorMargins/><w:autoHyphenation/><w:evenAndOddHeaders/>"
        '<w:footnotePr><w:footnote w:id="-1"/><w:footnote w:id="0"/></w:footnotePr>'
        "<w:compat><w:doNotExpandShiftReturn/>"  # a line that ends with a break is not stretched to the margin
        '<w:compatSetting w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" '
        f'w:val="15"/></w:compat><w:themeFontLang w:val="{language}"/></w:settings>'
    )


def heads_and_feet(book: Manuscript, options: ExportOptions) -> Iterator[tuple[str, str]]:
    """The parts for running heads and page numbers: the book's title on left pages, the chapter's on right ones."""
    draft = run(f" · {book.terms.draft}") if options.is_draft else ""
    chapter = simple_field(f"STYLEREF {chapter_level(book)}", run(book.title))
    for name, kind, inside in (
        ("headerEven", "hdr", run(book.title) + draft),
        ("headerOdd", "hdr", chapter + draft),
        ("headerNone", "hdr", ""),
        ("footerPage", "ftr", simple_field("PAGE", run("1"))),
        ("footerNone", "ftr", ""),
    ):
        style = "Header" if kind == "hdr" else "Footer"
        text = f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{inside}</w:p>'
        yield f"word/{name}.xml", f"{DECLARATION}<w:{kind} {NAMESPACES}>{text}</w:{kind}>"


def core_properties(book: Manuscript) -> str:
    """docProps/core.xml: title, author, language, times."""
    written = book.modified.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    times = "".join(f'<dcterms:{n} xsi:type="dcterms:W3CDTF">{written}</dcterms:{n}>' for n in ("created", "modified"))
    return (
        f'{DECLARATION}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{words_of(book.title)}</dc:title><dc:creator>{words_of(book.author)}</dc:creator>"
        f"<dc:identifier>{words_of(book.identifier)}</dc:identifier>"
        f"<dc:language>{words_of(book.language)}</dc:language>{times}</cp:coreProperties>"
    )


def app_properties(book: Manuscript) -> str:
    """docProps/app.xml"""
    return (
        f'{DECLARATION}<Properties xmlns="{_OFFICE}/extended-properties">'
        f"<Words>{book.words}</Words><Application>BookBot</Application></Properties>"
    )


def _resource(name: str) -> Template:
    return Template((files(__package__) / name).read_text(encoding="utf-8"))
