"""Reading the members of a ZIP that may come from anywhere: bounded, by name, whole."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shared.errors import InvalidInput

MAX_TOTAL_BYTES = 4 * 1024**3
MAX_LINE_BYTES = 32 * 1024**2
"""One version of one chunk, or the book's own row, as JSON."""

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The ZIP at `path`. Raises InvalidInput where it is none, is damaged, or would unpack to more than 4 GiB."""
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
            if total > MAX_TOTAL_BYTES:
                raise InvalidInput("file", f"it would unpack to {total} bytes, the limit is {MAX_TOTAL_BYTES}")
            yield archive
    except OSError as error:
        raise InvalidInput("file", f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except _DAMAGED:
        raise InvalidInput("file", f"{path} is damaged, or not a file that `books backup` wrote") from None


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The whole content of a member; its checksum is looked at. Raises InvalidInput where it is missing or larger."""
    with _member(archive, name) as member:
        content = member.read(limit + 1)
        if len(content) > limit:
            raise InvalidInput("file", f"{name} is larger than {limit} bytes")
        member.read(1)  # the end is where a wrong checksum shows
    return content


def lines_of(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The lines of a member, each at most `MAX_LINE_BYTES` long. Raises InvalidInput."""
    with _member(archive, name) as member:
        while line := member.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise InvalidInput("file", f"a line of {name} is longer than {MAX_LINE_BYTES} bytes")
            yield line


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return archive.open(name)
    except KeyError:
        raise InvalidInput("file", f"it has no {name}, so `books backup` did not write it") from None
