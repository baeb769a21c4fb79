"""Books and what they are made of. A chunk is never edited: a new version is inserted and `is_latest` moves."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import db_now
from shared.models.base import Base, Id, MutableJson, short

CHUNK_TYPES = ("brief", "style", "outline", "characters", "settings", "scene", "bot", "task", "review")


class Book(Base):
    """A book being written. `locked_by_job_id` is the exclusive lock of a running BookJob.

    `revision` catches concurrent edits: saving a row somebody else changed meanwhile fails, nothing is lost.
    """

    __tablename__ = "books"

    book_id: Mapped[str] = mapped_column(Id, primary_key=True)
    title: Mapped[str] = mapped_column(short(500))
    props: Mapped[dict[str, Any]] = mapped_column(MutableJson, default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=db_now())
    locked_by_job_id: Mapped[str | None] = mapped_column(Id)
    locked_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 - SQLAlchemy's declarative option

    def __repr__(self) -> str:
        return f"<Book {self.book_id}>"


class Chunk(Base):
    """One version of one piece of a book: the brief, the outline, a scene … `text` is Markdown.

    `chapter` counts from 1 (None outside chapters), `position` orders chunks of a book (float: room between),
    `job_id` is the job that made this version. The lock of a running ChunkJob sits on the latest version.
    """

    __tablename__ = "chunks"

    chunk_id: Mapped[str] = mapped_column(Id, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    book_id: Mapped[str] = mapped_column(Id, ForeignKey("books.book_id"))
    is_latest: Mapped[bool] = mapped_column(default=True)
    type: Mapped[str] = mapped_column(short(16))
    text: Mapped[str] = mapped_column(default="")
    chapter: Mapped[int | None]
    position: Mapped[float] = mapped_column(default=0.0)
    word_count: Mapped[int] = mapped_column(default=0)
    props: Mapped[dict[str, Any]] = mapped_column(MutableJson, default=dict)
    is_deleted: Mapped[bool] = mapped_column(default=False)
    job_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(server_default=db_now())
    locked_by_job_id: Mapped[str | None] = mapped_column(Id)
    locked_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (
        CheckConstraint(f"type IN ({', '.join(repr(name) for name in CHUNK_TYPES)})", "type_known"),
        # One latest version per chunk, whoever races.
        Index(
            "chunks_latest",
            "chunk_id",
            unique=True,
            postgresql_where=sql("is_latest"),
            sqlite_where=sql("is_latest"),
        ),
        Index("chunks_of_book", "book_id", "type", "position"),
        Index(
            "chunks_locked",
            "book_id",
            postgresql_where=sql("locked_by_job_id IS NOT NULL"),
            sqlite_where=sql("locked_by_job_id IS NOT NULL"),
        ),
    )
    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 - SQLAlchemy's declarative option

    def __repr__(self) -> str:
        return f"<Chunk {self.chunk_id} v{self.version} {self.type}>"


class OutputFile(Base):
    """A finished export. Its bytes are in the database, so that a file lands with its job or not at all."""

    __tablename__ = "output_files"

    file_id: Mapped[str] = mapped_column(Id, primary_key=True)
    book_id: Mapped[str] = mapped_column(Id, ForeignKey("books.book_id"), index=True)
    job_id: Mapped[str | None] = mapped_column(Id, index=True)
    name: Mapped[str] = mapped_column(short(255))
    format: Mapped[str] = mapped_column(short(16))
    media_type: Mapped[str] = mapped_column(short(100))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(short(64))
    content: Mapped[bytes] = mapped_column(deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=db_now())
