"""What a job to be tried is about: its class and name, the book and chunk it gets. Pure, but for the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from re import sub

from bookbot_worker.daemon import build_processor
from bookbot_worker.jobs.base import BaseJob
from shared.errors import UnknownJobType
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Base, Book, Chunk
from shared.settings import Settings
from shared.states import LockScope


@dataclass(frozen=True, slots=True)
class Subject:
    """`rows` are to be stored before the job is enqueued."""

    rows: tuple[Base, ...] = ()
    book_id: str | None = None
    chunk_id: str | None = None

    @classmethod
    def of(cls, name: str, book: Book | str | None, chunk: Chunk | str | None, scenes: Sequence[str]) -> "Subject":
        """What is given, and what a job of this type needs besides."""
        job_type = catalogue().get(name)
        rows: list[Base] = []
        if isinstance(chunk, Chunk):
            chunk.chunk_id = chunk.chunk_id or new_id()
        if book is None and isinstance(chunk, Chunk) and chunk.book_id:
            book = chunk.book_id
        if book is None and (scenes or chunk is not None or job_type.needs_book):
            book = Book(title="A book")
        if isinstance(book, Book):
            book.book_id = book.book_id or new_id()
            rows.append(book)
        book_id = book.book_id if isinstance(book, Book) else book
        texts = [
            Chunk(
                chunk_id=new_id(), book_id=book_id, type="scene", text=text, chapter=1, position=float(number),
                word_count=len(text.split()),
            )
            for number, text in enumerate(scenes, 1)
        ]  # fmt: skip
        if chunk is None and texts and job_type.locks is LockScope.CHUNK:
            chunk = texts[0].chunk_id
        if isinstance(chunk, Chunk):
            chunk.book_id = chunk.book_id or book_id or ""
            rows.append(chunk)
        chunk_id = chunk.chunk_id if isinstance(chunk, Chunk) else chunk
        return cls((*rows, *texts), book_id, chunk_id)


def class_of(job_type: str | type[BaseJob], settings: Settings) -> tuple[str, type[BaseJob]]:
    """Name and class of what is to be tried. A class that nobody has registered is declared under its own name.

    Raises UnknownJobType for a name without a class.
    """
    registry = build_processor(settings).registry
    if isinstance(job_type, str):
        names = list(registry)
        if job_type not in names:
            raise UnknownJobType(job_type, names, None)
        return job_type, registry.find(job_type)[1]
    for name in registry:
        if registry.find(name)[1] is job_type:
            return name, job_type
    name = sub(r"(?<!^)(?=[A-Z])", "_", job_type.__name__).lower().removesuffix("_job")
    if name not in {known.name for known in catalogue()}:
        catalogue().add(JobType(name, AnyProps, locks=job_type.locks))
    return name, job_type
