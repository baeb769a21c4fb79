"""Every table, in SQLAlchemy's words. Importing this package is enough to have the whole metadata."""

from shared.models.base import Base
from shared.models.books import CHUNK_TYPES, Book, Chunk, OutputFile
from shared.models.jobs import Job, JobDependency, JobLog
from shared.models.llm import LlmCall
from shared.models.workers import Queue, Schedule, Worker

__all__ = [
    "CHUNK_TYPES",
    "Base",
    "Book",
    "Chunk",
    "Job",
    "JobDependency",
    "JobLog",
    "LlmCall",
    "OutputFile",
    "Queue",
    "Schedule",
    "Worker",
]
