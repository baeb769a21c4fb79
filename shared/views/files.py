"""Finished exports: what there is, and the bytes of one."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.errors import NotFound
from shared.ids import check_id
from shared.models import OutputFile
from shared.text import check_text
from shared.views.finding import find_id

_COLUMNS = tuple(column for column in OutputFile.__table__.columns if column.name != "content")


def list_files(
    session: Session, *, book_id: str | None = None, job_id: str | None = None, limit: int = 200
) -> list[dict[str, Any]]:
    """The newest files, newest first, without their content. Raises InvalidInput."""
    query = select(*_COLUMNS).order_by(OutputFile.file_id.desc()).limit(limit)
    if book_id is not None:
        query = query.where(OutputFile.book_id == check_id("book_id", book_id))
    if job_id is not None:
        query = query.where(OutputFile.job_id == check_id("job_id", job_id))
    return [dict(row) for row in session.execute(query).mappings()]


def get_file(session: Session, given: str) -> dict[str, Any]:
    """The file whose id is, or alone begins with, `given`, with its `content`. Raises NotFound or InvalidInput."""
    file_id = find_id(session, OutputFile.file_id, "file", given)
    row = session.execute(select(*OutputFile.__table__.columns).where(OutputFile.file_id == file_id)).mappings().first()
    if row is None:
        raise NotFound("file", given)
    return dict(row)


def newest_file(session: Session, book_id: str, file_format: str) -> dict[str, Any]:
    """The newest file of a book in one format, with its `content`. Raises NotFound."""
    query = (
        select(OutputFile.file_id)
        .where(OutputFile.book_id == book_id, OutputFile.format == check_text("format", file_format, 16))
        .order_by(OutputFile.file_id.desc())
        .limit(1)
    )
    file_id = session.scalar(query)
    if file_id is None:
        raise NotFound("file of this book in the format", file_format)
    return get_file(session, file_id)
