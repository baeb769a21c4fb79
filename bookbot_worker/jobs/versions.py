"""Adding to a book: new chunks, and new versions of those there are. Text is never edited in place.

Owns what a version carries over from the one before. It only adds to the session; the processor settles.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared import words
from shared.models import Chunk
from shared.new_book import POSITIONS, add_chunk

__all__ = ["POSITIONS", "add_chunk", "add_version", "latest"]


def latest(session: Session, book_id: str, *types: str) -> Sequence[Chunk]:
    """The latest, not deleted chunks of a book of these types, in reading order."""
    return session.scalars(
        select(Chunk)
        .where(Chunk.book_id == book_id, Chunk.type.in_(types), Chunk.is_latest, ~Chunk.is_deleted)
        .order_by(Chunk.position, Chunk.chunk_id)
    ).all()


def add_version(
    session: Session,
    chunk: Chunk,
    text: str,
    *,
    job_id: str | None,
    props: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
    position: float | None = None,
    chapter: int | None = None,
) -> Chunk:
    """The next version of `chunk`, which must be the latest; `props` are added to the ones it has but for `without`.

    Chapter and position stay as they are where they are None. Both rows are written in one flush, the old one first
    (SQLAlchemy updates a table before it inserts into it), so that there are never two latest versions.
    """
    version = Chunk(
        chunk_id=chunk.chunk_id,
        version=chunk.version + 1,
        book_id=chunk.book_id,
        is_latest=True,
        type=chunk.type,
        text=text,
        chapter=chunk.chapter if chapter is None else chapter,
        position=chunk.position if position is None else position,
        word_count=words.count(text),
        props={name: value for name, value in chunk.props.items() if name not in without} | dict(props or {}),
        job_id=job_id,
    )
    chunk.is_latest = False
    session.add(version)
    return version
