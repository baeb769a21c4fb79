"""`export_book`: the latest text of a book becomes a finished file, kept with the book.

Owns which chunks are printed and where title, author and language come from; how they become bytes is
`bookbot_worker.exporters`. It locks nothing: it takes one consistent look at the book, then renders without a
database connection.
"""

import hashlib
from typing import Any

from sqlalchemy import select

from bookbot_worker.exporters import FORMATS
from bookbot_worker.exporters.assembly import NothingWritten, SceneRow, build
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.names import file_name
from bookbot_worker.exporters.options import TRIMS, ExportOptions
from bookbot_worker.jobs.base import BaseJob
from shared.errors import InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Book, Chunk, OutputFile


class ExportBookJob(BaseJob):
    """Adds one OutputFile; `result` says its file_id, name, size_bytes, sha256 and the book's words."""

    def execute(self) -> bool:
        """True once the file is in the session; False, with a message, where there is nothing to export."""
        exporter = FORMATS[self.props.format]
        try:
            manuscript = self._manuscript()
        except (InvalidInput, NotFound, NothingWritten) as error:
            self.job.error_message = str(error)
            self.log(str(error), "ERROR")
            return False
        self.log(
            f"exporting {len(manuscript.chapters)} chapters as {exporter.name}",
            chapters=len(manuscript.chapters),
            words=manuscript.words,
        )
        with self.parked():
            content = exporter.load()(manuscript, self._options(), self.progress)
            digest = hashlib.sha256(content).hexdigest()
        file = OutputFile(
            file_id=new_id(),
            book_id=self.job.book_id,
            job_id=self.job.job_id,
            name=file_name(manuscript.title, exporter.extension),
            format=exporter.name,
            media_type=exporter.media_type,
            size_bytes=len(content),
            sha256=digest,
            content=content,
        )
        self.session.add(file)
        self.job.result = {
            "file_id": file.file_id,
            "name": file.name,
            "size_bytes": file.size_bytes,
            "sha256": digest,
            "words": manuscript.words,
        }
        self.log(f"exported {file.name}", file_id=file.file_id, size_bytes=file.size_bytes)
        return True

    def _manuscript(self) -> Manuscript:
        """Raises InvalidInput without a book_id, NotFound without its book, NothingWritten without text."""
        if self.job.book_id is None:
            raise InvalidInput("book_id", "an export needs a book")
        book = self.session.get(Book, self.job.book_id)
        if book is None:
            raise NotFound("book", self.job.book_id)
        scenes = self.session.execute(
            select(Chunk.chapter, Chunk.position, Chunk.props, Chunk.text, Chunk.word_count, Chunk.created_at)
            .where(Chunk.book_id == book.book_id, Chunk.type == "scene", Chunk.is_latest, ~Chunk.is_deleted)
            .order_by(Chunk.position, Chunk.chunk_id)
        )
        return build(
            title=self.props.title or book.title,
            author=self.props.author or _said(book.props, "author") or "BookBot",
            language=self._language(book),
            book_id=book.book_id,
            rows=[SceneRow(*row) for row in scenes],
        )

    def _language(self, book: Book) -> str:
        if "language" in self.props.model_fields_set:
            return str(self.props.language)
        return _said(book.props, "language") or str(self.props.language)

    def _options(self) -> ExportOptions:
        return ExportOptions(trim=TRIMS[self.props.trim], font=self.props.font, is_draft=self.props.draft)


def _said(props: dict[str, Any], name: str) -> str:
    """What a book's props say under `name`; "" where that is missing or no text."""
    value = props.get(name)
    return value if isinstance(value, str) else ""
