"""Reading a book's texts: one version of one chunk, who made each version, and which texts there are besides scenes."""

from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from shared.errors import NotFound
from shared.models import Chunk, Job
from shared.views.board import known_id

VERSIONS = 100
"""Versions that one page of their list holds."""

TEXTS = ("brief", "style", "outline", "characters", "settings")
"""What a book has one of, in the order of making."""


def get_chunk(session: Session, chunk_id: str, version: int | None = None) -> dict[str, Any]:
    """Every column of one version of a chunk; of the latest where `version` is None. Raises NotFound."""
    query = select(*Chunk.__table__.columns).where(Chunk.chunk_id == known_id("text", chunk_id), ~Chunk.is_deleted)
    query = query.where(Chunk.is_latest) if version is None else query.where(Chunk.version == version)
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound("text" if version is None else f"version {version} of the text", chunk_id)
    return dict(row)


def list_versions(
    session: Session, chunk_id: str, *, before: int | None = None, limit: int = VERSIONS
) -> list[dict[str, Any]]:
    """The versions of a chunk, newest first; `before`: only those with a smaller number.

    Each has `version`, `created_at`, `word_count`, `is_latest`, `job_id`, and of the job that made it `job_type` and
    `mode`; these are None where no job did, or the job is gone.
    """
    query = (
        select(
            Chunk.version,
            Chunk.created_at,
            Chunk.word_count,
            Chunk.is_latest,
            Chunk.job_id,
            Job.job_type,
            Job.props["mode"].as_string().label("mode"),
        )
        .outerjoin(Job, Job.job_id == Chunk.job_id)
        .where(Chunk.chunk_id == chunk_id)
        .order_by(Chunk.version.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Chunk.version < before)
    return [_with_mode(dict(row)) for row in session.execute(query).mappings()]


def list_texts(session: Session, book_id: str) -> list[dict[str, Any]]:
    """What the book has besides scenes, in reading order, without the texts: at most 500, bots and tasks among them."""
    query = (
        select(
            Chunk.chunk_id,
            Chunk.type,
            Chunk.version,
            Chunk.word_count,
            Chunk.created_at,
            Chunk.props["name"].as_string().label("name"),
        )
        .where(Chunk.book_id == book_id, Chunk.type.in_((*TEXTS, "bot", "task", "review")))
        .where(Chunk.is_latest, ~Chunk.is_deleted)
        .order_by(Chunk.position, Chunk.chunk_id)
        .limit(500)
    )
    return [dict(row) for row in session.execute(query).mappings()]


def neighbours(session: Session, chunk: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
    """The scenes before and after a scene: `previous` and `next`, each {`chunk_id`, `title`} or None."""
    after = or_(
        Chunk.position > chunk["position"],
        and_(Chunk.position == chunk["position"], Chunk.chunk_id > chunk["chunk_id"]),
    )
    before = or_(
        Chunk.position < chunk["position"],
        and_(Chunk.position == chunk["position"], Chunk.chunk_id < chunk["chunk_id"]),
    )
    query = select(Chunk.chunk_id, Chunk.props["title"].as_string().label("title")).where(
        Chunk.book_id == chunk["book_id"], Chunk.type == chunk["type"], Chunk.is_latest, ~Chunk.is_deleted
    )
    ends = {
        "previous": query.where(before).order_by(Chunk.position.desc(), Chunk.chunk_id.desc()),
        "next": query.where(after).order_by(Chunk.position, Chunk.chunk_id),
    }
    rows = {name: session.execute(end.limit(1)).mappings().one_or_none() for name, end in ends.items()}
    return {name: dict(row) if row else None for name, row in rows.items()}


def chunk_jobs(session: Session, chunk: dict[str, Any], *, limit: int = 5) -> list[dict[str, Any]]:
    """The newest jobs about a chunk, of the newest 20,000 of its book: `job_id`, `job_type`, `state`, `mode`."""
    recent = (
        select(Job.job_id, Job.job_type, Job.state, Job.progress, Job.chunk_id, Job.created_at, Job.error_message)
        .add_columns(Job.props["mode"].as_string().label("mode"))
        .where(Job.book_id == chunk["book_id"])
        .order_by(Job.job_id.desc())
        .limit(20_000)
        .subquery()
    )
    query = select(recent).where(recent.c.chunk_id == chunk["chunk_id"]).order_by(recent.c.job_id.desc()).limit(limit)
    return [_with_mode(dict(row)) for row in session.execute(query).mappings()]


def _with_mode(row: dict[str, Any]) -> dict[str, Any]:
    """A scene's job whose props name no mode writes."""
    return row if row["mode"] or row["job_type"] != "generate_chunk" else row | {"mode": "write"}
