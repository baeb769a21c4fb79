"""Every table, in SQLAlchemy's words. Importing this package is enough to have the whole metadata."""

from shared.models.base import Base
from shared.models.books import CHUNK_TYPES, Book, Chunk, OutputFile
from shared.models.jobs import IS_RUNNING, SUSPECT_AFTER, Job, JobDependency, JobLog
from shared.models.live import JobLiveText
from shared.models.llm import LlmCall, LlmCircuit
from shared.models.workers import JobTypeLimit, Queue, Schedule, ScheduleTick, SchemaInfo, Worker

BOOKS = Base.metadata.tables["books"]
CHUNKS = Base.metadata.tables["chunks"]
JOBS = Base.metadata.tables["jobs"]
"""The tables themselves, for the engine's statements: it writes rows, not objects."""

__all__ = [
    "BOOKS",
    "CHUNKS",
    "CHUNK_TYPES",
    "IS_RUNNING",
    "JOBS",
    "SUSPECT_AFTER",
    "Base",
    "Book",
    "Chunk",
    "Job",
    "JobDependency",
    "JobLiveText",
    "JobLog",
    "JobTypeLimit",
    "LlmCall",
    "LlmCircuit",
    "OutputFile",
    "Queue",
    "Schedule",
    "ScheduleTick",
    "SchemaInfo",
    "Worker",
]
