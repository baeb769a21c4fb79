"""`export_book`: the latest text of a book becomes a finished file, kept with the book.

Owns which chunks are printed and where title, author and language come from; how they become bytes is
`bookbot_worker.exporters`. It locks nothing: it takes one consistent look at the book, then renders in a process of
its own, without a database connection.
"""

import hashlib
from typing import Any

from sqlalchemy import select

from bookbot_worker.exporters import FORMATS, Exporter, ExportFailed
from bookbot_worker.exporters.assembly import NothingWritten, SceneRow, build
from bookbot_worker.exporters.in_child import Limits, Listener, render
from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import TRIMS, ExportOptions
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.jobs.versions import latest
from shared.covers import Cover, cover_of
from shared.errors import InvalidInput, NotFound
from shared.file_names import file_name
from shared.ids import new_id
from shared.models import Book, Chunk, OutputFile
from shared.settings import load_settings


class ExportBookJob(BaseJob):
    """Adds one OutputFile; `result` says its file_id, name, size_bytes, sha256 and the book's words."""

    def execute(self) -> bool:
        """True once the file is in the session; False, with a message, where there is nothing to export."""
        try:
            exporter = self._exporter()
            manuscript = self._manuscript()
            options = self._options()
            self.log(
                f"exporting {len(manuscript.chapters)} chapters as {exporter.name}",
                chapters=len(manuscript.chapters),
                words=manuscript.words,
            )
            content = self._render(exporter, manuscript, options)
        except (InvalidInput, NotFound, NothingWritten, ExportFailed) as error:
            self.job.error_message = str(error)
            self.log(str(error), "ERROR")
            return False
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

    def _exporter(self) -> Exporter:
        """Raises ExportFailed where this worker was installed without the format."""
        try:
            return FORMATS[self.props.format]
        except KeyError:
            raise ExportFailed(
                f"this worker cannot make {self.props.format}; it can make {', '.join(FORMATS)}"
            ) from None

    def _render(self, exporter: Exporter, manuscript: Manuscript, options: ExportOptions) -> bytes:
        """Raises ExportFailed; JobCancelled, with the process ended, as soon as the job is asked to stop."""
        settings = load_settings()
        limits = Limits(settings.export_memory_mb, settings.export_seconds)
        listener = Listener(self.progress, lambda message: self.log(message, "WARNING"), self.closing_on_stop)
        with self.parked():
            return render(exporter, manuscript, options, limits, listener)

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
            numbering=self.props.chapter_numbers,
            outline=self._text("outline") if self.props.include_outline else "",
            characters=self._text("characters") if self.props.include_characters else "",
        )

    def _text(self, kind: str) -> str:
        return "\n\n".join(chunk.text for chunk in latest(self.session, str(self.job.book_id), kind))

    def _options(self) -> ExportOptions:
        """Raises InvalidInput for a picture that cannot be a cover, NotFound for one that this book does not have."""
        return ExportOptions(
            trim=TRIMS[self.props.trim], font=self.props.font, cover=self._cover(), is_draft=self.props.draft
        )

    def _cover(self) -> Cover | None:
        if self.props.cover is None:
            return None
        picture = self.session.get(OutputFile, self.props.cover)
        if picture is None or picture.book_id != self.job.book_id:
            raise NotFound("picture of this book", self.props.cover)
        return cover_of(picture.content)

    def _language(self, book: Book) -> str:
        if "language" in self.props.model_fields_set:
            return str(self.props.language)
        return _said(book.props, "language") or str(self.props.language)


def _said(props: dict[str, Any], name: str) -> str:
    """What a book's props say under `name`; "" where that is missing or no text."""
    value = props.get(name)
    return value if isinstance(value, str) else ""
