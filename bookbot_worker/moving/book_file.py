"""One book as one file: a ZIP with its row, every version of its chunks, and its finished files.

What is in it can be read without this program: `book.json`, `chunks.jsonl` and `files.jsonl` (a row a line), and the
bytes in `files/`. Jobs, their logs and the ledger of LLM calls stay behind; versions still name the jobs that made
them. What is read may come from anywhere, and is checked before a row of it is written.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bookbot_worker.moving.book_rows import (
    BOOK,
    CHUNK,
    FILE,
    BookLine,
    ChunkLine,
    FileLine,
    Kind,
    check_content,
    parse,
    values,
)
from bookbot_worker.moving.members import MAX_LINE_BYTES, lines_of, opened, read_member
from shared.errors import Conflict, InvalidInput, NotFound
from shared.models import Book, Chunk, OutputFile
from shared.views import jsonable

FORMAT = 1
"""Of the file; one of a later format is refused."""

_WHEN = (1980, 1, 1, 0, 0, 0)  # the same book, the same bytes


def write_book(session: Session, book_id: str, target: BinaryIO) -> int:
    """Write the book to `target`; returns how many versions of chunks it holds. Raises NotFound.

    The session must see one moment: REPEATABLE READ on PostgreSQL, any transaction on SQLite.
    """
    book = session.get(Book, book_id)
    if book is None:
        raise NotFound("book", book_id)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        _write(archive, "book.json", _line({"format": FORMAT} | {name: getattr(book, name) for name in BOOK}))
        chunks = _rows(session, Chunk, CHUNK, book_id, Chunk.position, Chunk.chunk_id, Chunk.version)
        with archive.open(_member("chunks.jsonl"), "w", force_zip64=True) as lines:
            count = sum(1 for row in chunks if lines.write(_line(row)))
        files = list(_rows(session, OutputFile, FILE, book_id, OutputFile.file_id))
        _write(archive, "files.jsonl", b"".join(map(_line, files)))
        for row in files:
            content = session.scalars(select(OutputFile.content).where(OutputFile.file_id == row["file_id"])).one()
            _write(archive, f"files/{row['file_id']}", content)
    return count


def read_book(session: Session, source: Path) -> str:
    """Add the book in the file at `source`, for the caller to commit; returns its id.

    Raises InvalidInput for a file that is damaged or not ours, Conflict where the book is there already.
    """
    with opened(source) as archive:
        book = parse(BookLine, "book.json", read_member(archive, "book.json", MAX_LINE_BYTES))
        if book.format > FORMAT:
            raise InvalidInput("file", f"its format is {book.format}, this version reads {FORMAT}; upgrade first")
        row = values(book, "book.json")
        book_id = str(row["book_id"])
        if session.get(Book, book_id) is not None:
            raise Conflict(f"the book {book_id} is here already; nothing was changed")
        try:
            _insert(session, archive, row)
        except IntegrityError:
            raise Conflict("a chunk or file of it is here already, in another book; nothing was changed") from None
    return book_id


def _insert(session: Session, archive: zipfile.ZipFile, book: dict[str, Any]) -> None:
    its_book = {"book_id": book["book_id"]}
    session.execute(insert(Book), [book])
    chunks = [values(chunk, place) for place, chunk in _lines(ChunkLine, "chunks.jsonl", archive)]
    _refuse_twins(chunks)
    if chunks:
        session.execute(insert(Chunk), [chunk | its_book for chunk in chunks])
    for place, file in _lines(FileLine, "files.jsonl", archive):
        content = check_content(file, place, read_member(archive, f"files/{file.file_id}", file.size_bytes))
        session.execute(insert(OutputFile), [values(file, place) | its_book | {"content": content}])


def _rows(session: Session, model: Any, names: tuple[str, ...], book_id: str, *order: Any) -> Iterator[dict[str, Any]]:
    query = select(*(getattr(model, name) for name in names)).where(model.book_id == book_id).order_by(*order)
    for row in session.execute(query.execution_options(yield_per=100)).mappings():
        yield dict(row)


def _lines(kind: type[Kind], name: str, archive: zipfile.ZipFile) -> Iterator[tuple[str, Kind]]:
    """Each line with the place to name where it is wrong."""
    for number, line in enumerate(lines_of(archive, name), 1):
        place = f"{name}, line {number}"
        yield place, parse(kind, place, line)


def _refuse_twins(chunks: list[dict[str, Any]]) -> None:
    """Raises InvalidInput where a version is there twice, or a chunk has not exactly one latest version."""
    versions = Counter((chunk["chunk_id"], chunk["version"]) for chunk in chunks)
    latest = Counter(chunk["chunk_id"] for chunk in chunks if chunk["is_latest"])
    wrong = [ident for (ident, _), times in versions.items() if times > 1 or latest[ident] != 1]
    if wrong:
        raise InvalidInput("chunks.jsonl", f"chunk {wrong[0]} has a version twice, or not one latest version")


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(jsonable(row), ensure_ascii=False).encode() + b"\n"


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _WHEN)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(_member(name), content)
