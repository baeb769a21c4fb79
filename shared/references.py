"""What a new job names must exist: its book, its chunk, its parent, the jobs it waits for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.errors import InvalidInput, NotFound
from shared.ids import check_id
from shared.models import Book, Chunk, Job


def check_jobs(session: Session, rows: Sequence[tuple[dict[str, Any], Sequence[str]]]) -> None:
    """Every job named as parent, or to be waited for, exists or stands earlier in the list: so none waits for itself.

    `rows` are new jobs, each with the ids it waits for. Raises NotFound, or InvalidInput where an id is used twice.
    """
    named: set[str] = set()
    here = {item.job_id for item in session.new if isinstance(item, Job)}
    for row, others in rows:
        named |= {check_id("depends_on", other) for other in others} - here
        named |= {row["parent_job_id"]} - here - {None}
        if row["job_id"] in here:
            raise InvalidInput("job_id", "is that of another new job; make a NewJob for each")
        here.add(row["job_id"])
    if named and (missing := named - set(session.scalars(select(Job.job_id).where(Job.job_id.in_(named))))):
        raise NotFound("job", min(missing))


def check_books(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Every book exists, and every chunk belongs to the book it was named with. Raises NotFound."""
    books = {row["book_id"] for row in rows if row["book_id"]}
    known = set(session.scalars(select(Book.book_id).where(Book.book_id.in_(books)))) if books else set()
    known |= {item.book_id for item in session.new if isinstance(item, Book)}
    if missing := books - known:
        raise NotFound("book", min(missing))
    chunks = {(row["chunk_id"], row["book_id"]) for row in rows if row["chunk_id"]}
    if not chunks:
        return
    of_books = select(Chunk.chunk_id, Chunk.book_id).where(
        Chunk.chunk_id.in_({chunk_id for chunk_id, _ in chunks}), Chunk.is_latest, ~Chunk.is_deleted
    )
    existing = {(chunk_id, book_id) for chunk_id, book_id in session.execute(of_books)}
    existing |= {(item.chunk_id, item.book_id) for item in session.new if isinstance(item, Chunk)}
    if lost := chunks - existing:
        raise NotFound("chunk of this book", min(lost)[0])
