"""The list of books: page by page, each with its words, when something last happened to it, and what runs for it.

A page asks for its own books alone, so that its price does not grow with the shelf.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, aliased

from shared.ids import check_id
from shared.models import IS_RUNNING, Book, Chunk, Job

SHOWN_JOBS = 200
"""Running jobs that are named on one page of the list."""

_COLUMNS = (Book.book_id, Book.title, Book.created_at, Book.locked_by_job_id)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Some books, newest first; `next_before` leads to older ones, None where there are none."""

    books: list[dict[str, Any]]
    next_before: str | None


def list_shelf(session: Session, *, before: str | None = None, limit: int = 50) -> Shelf:
    """The newest books, or those older than the book `before`. Raises InvalidInput. Of each, beyond its columns:

    - `scenes`, `scenes_written` and `words` (of the scenes);
    - `last_activity`: when its newest text was stored, or its newest job was created, started or ended;
    - `jobs`: what runs for it: [{`job_id`, `job_type`, `progress`}].
    """
    query = select(*_COLUMNS).order_by(Book.book_id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Book.book_id < check_id("before", before))
    rows = [dict(row) for row in session.execute(query).mappings()]
    books = rows[:limit]
    ids = [row["book_id"] for row in books]
    if not ids:
        return Shelf([], None)
    totals, acted, running = _totals(session, ids), _job_times(session, ids), _running(session, ids)
    for row in books:
        book_id = row["book_id"]
        row |= totals.get(book_id, {"scenes": 0, "scenes_written": 0, "words": 0, "stored_at": None})
        times = (row["created_at"], row.pop("stored_at"), acted.get(book_id))
        row["last_activity"] = max(time for time in times if time is not None)
        row["jobs"] = running.get(book_id, [])
    return Shelf(books, books[-1]["book_id"] if len(rows) > limit else None)


def _totals(session: Session, ids: list[str]) -> dict[str, dict[str, Any]]:
    is_scene = Chunk.type == "scene"
    query = (
        select(
            Chunk.book_id,
            func.sum(case((is_scene, 1), else_=0)).label("scenes"),
            func.sum(case((is_scene & (Chunk.word_count > 0), 1), else_=0)).label("scenes_written"),
            func.sum(case((is_scene, Chunk.word_count), else_=0)).label("words"),
            func.max(Chunk.created_at).label("stored_at"),
        )
        .where(Chunk.book_id.in_(ids), Chunk.is_latest, ~Chunk.is_deleted)
        .group_by(Chunk.book_id)
    )
    return {
        row["book_id"]: {k: v for k, v in row.items() if k != "book_id"} for row in session.execute(query).mappings()
    }


def _job_times(session: Session, ids: list[str]) -> dict[str | None, datetime]:
    """When something last happened to the newest job of each book."""
    newest = aliased(Job)
    latest = (
        select(newest.job_id)
        .where(newest.book_id == Book.book_id)
        .order_by(newest.job_id.desc())
        .limit(1)
        .correlate(Book)
        .scalar_subquery()
    )
    query = (
        select(Job.book_id, func.coalesce(Job.completed_at, Job.started_at, Job.created_at))
        .select_from(Book)
        .join(Job, Job.job_id == latest)
        .where(Book.book_id.in_(ids))
    )
    return dict(session.execute(query).all())


def _running(session: Session, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    query = select(Job.book_id, Job.job_id, Job.job_type, Job.progress)
    query = query.where(Job.book_id.in_(ids), IS_RUNNING).order_by(Job.job_id).limit(SHOWN_JOBS)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in session.execute(query).mappings():
        found.setdefault(row["book_id"], []).append({k: v for k, v in row.items() if k != "book_id"})
    return found
