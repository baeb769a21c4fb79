"""Whom a job belongs with: its parent, what it waits for, what waits for it, and its own children as a grid."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.models import Book, Chunk, Job, JobDependency, Worker

SHOWN = 50
"""Dependencies that are named on each side."""

_HEAD = (Job.job_id, Job.job_type, Job.state)


def relatives(session: Session, job_id: str, parent_job_id: str | None) -> dict[str, Any]:
    """`parent` (None where there is none, or no longer), `needs`, `needed_by`: job_id, job_type and state of each."""

    def heads(query: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in session.execute(query.order_by(Job.job_id).limit(SHOWN)).mappings()]

    needs = select(*_HEAD, JobDependency.needs).join(JobDependency, JobDependency.depends_on_job_id == Job.job_id)
    needed_by = select(*_HEAD, JobDependency.needs).join(JobDependency, JobDependency.job_id == Job.job_id)
    parent = heads(select(*_HEAD).where(Job.job_id == parent_job_id)) if parent_job_id else []
    return {
        "parent": parent[0] if parent else None,
        "needs": heads(needs.where(JobDependency.job_id == job_id)),
        "needed_by": heads(needed_by.where(JobDependency.depends_on_job_id == job_id)),
    }


def list_children(session: Session, job_id: str, *, limit: int = 1000) -> list[dict[str, Any]]:
    """What a job started itself, in the order of making: a few columns, and the `chapter` and `title` of its scene."""
    query = (
        select(*_HEAD, Job.progress, Job.error_message, Chunk.chapter, Chunk.props["title"].as_string().label("title"))
        .outerjoin(Chunk, (Chunk.chunk_id == Job.chunk_id) & Chunk.is_latest)
        .where(Job.parent_job_id == job_id)
        .order_by(Job.job_id)
        .limit(limit)
    )
    return [dict(row) for row in session.execute(query).mappings()]


def book_title(session: Session, book_id: str | None) -> str | None:
    """The title of the book a job is about; None where it is about none."""
    return session.scalar(select(Book.title).where(Book.book_id == book_id)) if book_id else None


def worker_name(session: Session, worker_id: str | None) -> str | None:
    """How people call the worker that runs a job; None where none does."""
    return session.scalar(select(Worker.name).where(Worker.worker_id == worker_id)) if worker_id else None
