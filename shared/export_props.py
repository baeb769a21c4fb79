"""What a person may choose for an export, each choice with its default and its limits.

One model for the command line, the API and the worker. How a choice looks in a file is the exporters' business.
"""

import uuid
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shared.props import Props

LANGUAGE_TAG = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
"""BCP 47, as far as a book needs it."""

ExportFormat = Literal["epub", "docx", "pdf", "html", "markdown"]
TrimName = Literal["5x8", "6x9", "A5", "A4"]
"""A page's size: inches, or ISO 216."""

FontName = Literal["serif", "sans"]
Numbering = Literal["arabic", "roman", "none"]


def _trim_as_named(given: Any) -> Any:
    """ "5×8" and "a5" are what people write for "5x8" and "A5"."""
    return given.replace("×", "x").replace("X", "x").replace("a", "A") if isinstance(given, str) else given


def _id_of_a_picture(given: str) -> str:
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise ValueError("must be the id of a picture, which `files add` prints") from None


class ExportBookProps(Props):
    """For `export_book`: None means what the book itself says. `cover` is the id of a picture stored with the book."""

    format: ExportFormat = Field("epub", description="the kind of file")
    title: str | None = Field(None, min_length=1, max_length=500, description="empty: the book's own")
    author: str | None = Field(None, min_length=1, max_length=200, description="empty: the book's own")
    language: str = Field("en", pattern=LANGUAGE_TAG, description="a tag such as en or pt-BR; empty: the book's own")
    trim: Annotated[TrimName, BeforeValidator(_trim_as_named)] = Field(
        "6x9", description="the page's size, of PDF and DOCX"
    )
    font: FontName = Field("serif", description="the kind of letters, of PDF and DOCX")
    chapter_numbers: Numbering = Field("arabic", description="how chapters are counted")
    include_outline: bool = Field(False, description="print the outline too")
    include_characters: bool = Field(False, description="print the characters too")
    cover: Annotated[str, AfterValidator(_id_of_a_picture)] | None = Field(
        None, description="the id of a picture kept with the book"
    )
    draft: bool = Field(False, description="mark it as a draft")
