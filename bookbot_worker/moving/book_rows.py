"""The lines of a book's file: which columns they hold, and what they must be like to become rows."""

import hashlib
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInput
from shared.ids import check_id
from shared.models import CHUNK_TYPES
from shared.text import check_json, check_text
from shared.views import parse_instant, parse_object

BOOK = ("book_id", "title", "props", "created_at")
CHUNK = (
    "chunk_id", "version", "is_latest", "type", "text", "chapter", "position", "word_count", "props", "is_deleted",
    "job_id", "created_at",
)  # fmt: skip
FILE = ("file_id", "job_id", "name", "format", "media_type", "size_bytes", "sha256", "created_at")
"""Columns that are carried over. Locks are not: they belong to jobs that stay behind."""

INT = 2**31 - 1


class Line(BaseModel):
    """One row as JSON; a member that is unknown is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True)

    created_at: str


class BookLine(Line):
    """The book itself, and the format of its file."""

    format: int
    book_id: str
    title: str = Field(min_length=1, max_length=500)
    props: dict[str, Any]


class ChunkLine(Line):
    """One version of a chunk."""

    chunk_id: str
    version: int = Field(ge=1, le=INT)
    is_latest: bool
    type: str
    text: str
    chapter: int | None = Field(ge=1, le=INT)
    position: float = Field(allow_inf_nan=False)
    word_count: int = Field(ge=0, le=INT)
    props: dict[str, Any]
    is_deleted: bool
    job_id: str | None


class FileLine(Line):
    """A finished file without its bytes."""

    file_id: str
    job_id: str | None
    name: str = Field(min_length=1, max_length=255)
    format: str = Field(min_length=1, max_length=16)
    media_type: str = Field(min_length=1, max_length=100)
    size_bytes: int = Field(ge=0, le=INT)
    sha256: str


Kind = TypeVar("Kind", bound=Line)


def parse(kind: type[Kind], place: str, line: bytes) -> Kind:
    """The line, checked. Raises InvalidInput that names its place and the member at fault."""
    document = parse_object(place, line)
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part)[:80] for part in first["loc"])
        raise InvalidInput(place, f"{path}: {first['msg']}") from None


def values(line: Line, place: str) -> dict[str, Any]:
    """The row's columns. Raises InvalidInput for ids, texts, documents and instants no database holds."""
    row: dict[str, Any] = line.model_dump(exclude={"format"} if isinstance(line, BookLine) else None)
    for name, value in row.items():
        if name.endswith("_id") and value is not None:
            row[name] = check_id(f"{place}: {name}", value)
        elif isinstance(value, str):
            check_text(f"{place}: {name}", value, len(value))
        elif isinstance(value, dict):
            check_json(f"{place}: {name}", value)
    if isinstance(line, ChunkLine) and line.type not in CHUNK_TYPES:
        raise InvalidInput(place, f"type: {line.type[:40]!r} is none of {', '.join(CHUNK_TYPES)}")
    return row | {"created_at": parse_instant(f"{place}: created_at", line.created_at)}


def check_content(line: FileLine, place: str, content: bytes) -> bytes:
    """The bytes, if they are the ones the line names. Raises InvalidInput."""
    if len(content) != line.size_bytes or hashlib.sha256(content).hexdigest() != line.sha256:
        raise InvalidInput(place, f"the bytes of {line.name[:80]!r} are not those that were saved")
    return content
