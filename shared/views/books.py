"""Books and what they are made of, without their texts: a page about a book of 200,000 words stays small."""

from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from shared.errors import NotFound
from shared.models import Book, Chunk
from shared.views.finding import find_id

_BOOK_COLUMNS = tuple(column for column in Book.__table__.columns if column.name != "props")
_SCENE_COLUMNS = (
    Chunk.chunk_id,
    Chunk.version,
    Chunk.chapter,
    Chunk.position,
    Chunk.word_count,
    Chunk.props,
    Chunk.job_id,
    Chunk.created_at,
    Chunk.locked_by_job_id,
)


def list_books(session: Session, *, limit: int = 200) -> list[dict[str, Any]]:
    """The newest books, newest first, with `scenes`, `scenes_written` and `words` (of the scenes)."""
    query = _with_totals().order_by(Book.book_id.desc()).limit(limit)
    return [dict(row) for row in session.execute(query).mappings()]


def get_book(session: Session, given: str) -> dict[str, Any]:
    """The book whose id is, or alone begins with, `given`: as in `list_books`, with `props`, and

    - `chunks`: how many of each type;
    - `chapters`: [{`chapter`, `words`, `scenes`: [a scene's columns without its text, and `state`]}].

    A scene's `state` is "locked" (a job holds it), "written" or "empty". Raises NotFound or InvalidInput.
    """
    book_id = find_id(session, Book.book_id, "book", given)
    row = (
        session.execute(_with_totals().add_columns(Book.props).where(Book.book_id == book_id)).mappings().one_or_none()
    )
    if row is None:
        raise NotFound("book", given)
    current = (Chunk.book_id == book_id) & Chunk.is_latest & ~Chunk.is_deleted
    kinds = select(Chunk.type, func.count()).where(current).group_by(Chunk.type).order_by(Chunk.type)
    scenes = select(*_SCENE_COLUMNS).where(current, Chunk.type == "scene").order_by(Chunk.position, Chunk.chunk_id)
    chapters: dict[int | None, dict[str, Any]] = {}
    for scene in session.execute(scenes).mappings():
        chapter = chapters.setdefault(scene["chapter"], {"chapter": scene["chapter"], "words": 0, "scenes": []})
        chapter["words"] += scene["word_count"]
        chapter["scenes"].append({**scene, "state": _state_of(scene["locked_by_job_id"], scene["word_count"])})
    return {
        **row,
        "chunks": dict(session.execute(kinds).all()),
        "chapters": list(chapters.values()),
    }


def _with_totals() -> Select[Any]:
    return (
        select(
            *_BOOK_COLUMNS,
            func.count(Chunk.chunk_id).label("scenes"),
            func.coalesce(func.sum(case((Chunk.word_count > 0, 1), else_=0)), 0).label("scenes_written"),
            func.coalesce(func.sum(Chunk.word_count), 0).label("words"),
        )
        .outerjoin(
            Chunk,
            (Chunk.book_id == Book.book_id) & (Chunk.type == "scene") & Chunk.is_latest & ~Chunk.is_deleted,
        )
        .group_by(Book.book_id)
    )


def _state_of(locked_by_job_id: str | None, word_count: int) -> str:
    if locked_by_job_id is not None:
        return "locked"
    return "written" if word_count else "empty"
