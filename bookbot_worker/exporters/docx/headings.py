"""The six heading styles: what each level is for in this book, and how that looks.

In a book of parts, level 1 is the part's title and level 2 the chapter's; else level 1 is the chapter's. The levels
after it are for headings inside a text. Word's own names, so that its outline, contents and fields know them.
"""

from bookbot_worker.exporters.manuscript import Manuscript

_LEVELS = 6
# Of each purpose: properties of the paragraph before the spacing, spacing and place, properties of its letters.
_PART = ("<w:pageBreakBefore/><w:suppressAutoHyphens/>", '<w:spacing w:before="3600"/><w:jc w:val="center"/>', "44", "")
_CHAPTER = (
    "<w:pageBreakBefore/><w:suppressAutoHyphens/>",
    '<w:spacing w:before="{sink}" w:after="600"/><w:jc w:val="center"/>',
    "36",
    "",
)
_BOLD, _ITALIC = "<w:b/><w:bCs/>", "<w:i/><w:iCs/>"
_SPACED = '<w:spacing w:before="360" w:after="120"/>'
_INSIDE = tuple(
    ("<w:suppressAutoHyphens/>", _SPACED, size, looks)
    for size, looks in (("26", _BOLD), ("24", _BOLD), ("22", _BOLD + _ITALIC), ("22", _ITALIC), ("22", _ITALIC))
)


def chapter_level(book: Manuscript) -> int:
    """The level of a chapter's heading."""
    return 2 if any(part.title for part in book.parts) else 1


def headings(book: Manuscript, sink: int) -> str:
    """The styles; a chapter's title stands `sink` below the top of its page."""
    purposes = (*((_PART,) if chapter_level(book) > 1 else ()), _CHAPTER, *_INSIDE)
    return "\n".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>'
        '<w:basedOn w:val="Normal"/><w:next w:val="FirstParagraph"/><w:uiPriority w:val="9"/><w:qFormat/>'
        f"<w:pPr><w:keepNext/><w:keepLines/>{before}{after.format(sink=sink)}"
        f'<w:outlineLvl w:val="{level - 1}"/></w:pPr>'
        f'<w:rPr>{looks}<w:sz w:val="{size}"/><w:szCs w:val="{size}"/></w:rPr></w:style>'
        for level, (before, after, size, looks) in zip(range(1, _LEVELS + 1), purposes, strict=False)
    )
