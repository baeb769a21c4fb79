"""What people hand to commands: props, texts and instants, each checked before anything else happens."""

import sys
from pathlib import Path
from typing import IO, Any

from sqlalchemy.orm import InstrumentedAttribute, Session

from shared.errors import InvalidInput
from shared.text import check_text
from shared.views import find_id, parse_object

MAX_PROPS_INPUT = 1024 * 1024
MAX_TEXT_BYTES = 1024 * 1024


def find_given(session: Session, column: InstrumentedAttribute[str], kind: str, given: str | None) -> str | None:
    """The id an option names, None where the option was left out. Raises as `find_id` does."""
    return None if given is None else find_id(session, column, kind, given)


def read_props(given: str | None) -> dict[str, Any]:
    """The props in `given`: JSON itself, `@FILE`, or `-` for stdin. Raises InvalidInput."""
    if given is None:
        return {}
    if given == "-":
        return parse_object("props", _bounded("props", sys.stdin.buffer))
    if given.startswith("@"):
        return parse_object("props", read_bytes("props", Path(given[1:]), MAX_PROPS_INPUT))
    return parse_object("props", given)


def read_text(field: str, path: Path) -> str:
    """A text file's text: UTF-8, not empty, at most 1 MiB. Raises InvalidInput naming `field` and the file."""
    raw = read_bytes(field, path, MAX_TEXT_BYTES)
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InvalidInput(field, f"{path} is not UTF-8 text") from None
    if not text.strip():
        raise InvalidInput(field, f"{path} is empty")
    if "\x00" in text:
        raise InvalidInput(field, f"{path} is not a text file")
    return check_text(field, text, MAX_TEXT_BYTES)


def first_heading(markdown: str) -> str | None:
    """The text of the first Markdown heading, None where there is none."""
    for line in markdown.splitlines():
        if line.startswith("#") and (title := line.lstrip("#").strip(" #\t")):
            return title
    return None


def read_bytes(field: str, path: Path, limit: int) -> bytes:
    """A file's bytes. Raises InvalidInput naming `field` and the file where it is larger, or cannot be read."""
    try:
        with path.open("rb") as file:
            return _bounded(field, file, limit, str(path))
    except OSError as error:
        raise InvalidInput(field, f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def _bounded(field: str, file: IO[bytes], limit: int = MAX_PROPS_INPUT, name: str = "stdin") -> bytes:
    raw = file.read(limit + 1)
    if len(raw) > limit:
        raise InvalidInput(field, f"{name} is larger than {limit // 1024} KiB")
    return raw
