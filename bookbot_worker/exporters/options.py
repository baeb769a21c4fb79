"""What was chosen for one export, ready for the formats: sizes in millimetres, the cover's bytes.

A format ignores what it has no place for: an EPUB has no trim size, Markdown has no font.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.covers import Cover

if TYPE_CHECKING:
    from shared.export_props import FontName, TrimName

_INCH = 25.4


@dataclass(frozen=True, slots=True)
class Trim:
    """A page's size in millimetres."""

    width: float
    height: float


TRIMS: dict["TrimName", Trim] = {
    "5x8": Trim(5 * _INCH, 8 * _INCH),
    "6x9": Trim(6 * _INCH, 9 * _INCH),
    "A5": Trim(148, 210),
    "A4": Trim(210, 297),
}


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How the book is to look. What is in it, and under which numbers, is in the Manuscript.

    `is_draft`: the word for "draft" shows on the pages, or where there are none, at the front.
    """

    trim: Trim = TRIMS["6x9"]
    font: "FontName" = "serif"
    cover: Cover | None = None
    is_draft: bool = False
