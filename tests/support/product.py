"""The jobs of the product in tests: a worker that knows them all, and authors whose answers are known."""

from collections.abc import Callable

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.jobs.create_foundation import CreateFoundationJob
from bookbot_worker.jobs.demo import DemoJob
from bookbot_worker.jobs.export_book import ExportBookJob
from bookbot_worker.jobs.generate_book import GenerateBookJob
from bookbot_worker.jobs.generate_chunk import GenerateChunkJob
from bookbot_worker.llm.client import LLM, Completion, Listener, Prompt
from bookbot_worker.llm.offline import OfflineAuthor
from bookbot_worker.processor import JobProcessor
from shared.enqueue import create_job
from shared.models import Chunk
from shared.settings import Settings

BRIEF = """# The Clock of Lisbon

Ines, a young baker, inherits a clock that runs backwards. Her brother Paulo wants to sell the clock. Ines takes the
clock to the Old Market, where Teodor offers her too much for it. Paulo disappears with the clock. Ines finds Paulo in
the clock tower and learns whose hour it counts. Teodor burns the tower. Ines winds the clock forward.
"""


JOB_CLASSES: dict[str, type[BaseJob]] = {
    "demo": DemoJob,
    "create_foundation": CreateFoundationJob,
    "generate_chunk": GenerateChunkJob,
    "generate_book": GenerateBookJob,
    "export_book": ExportBookJob,
}


class AuthorWith:
    """The offline author, but for the answers `change` replaces; those cost `cost_usd`."""

    def __init__(self, change: Callable[[Prompt], str | None], cost_usd: float | None = None) -> None:
        self._change = change
        self._cost_usd = cost_usd
        self.prompts: list[Prompt] = []

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        """See `LLM.complete`."""
        self.prompts.append(prompt)
        changed = self._change(prompt)
        if changed is None:
            return OfflineAuthor().complete(prompt, listener)
        listener.on_text(changed)
        return Completion(changed, "test", "test-1", "stop", 1, 1, self._cost_usd, "provider")


def work(settings: Settings, author: LLM | None = None) -> None:
    """Run a worker with all job types until nothing is left to do."""
    processor_of_all(settings, author).run(until_empty=True)


def processor_of_all(settings: Settings, author: LLM | None = None) -> JobProcessor:
    """A worker with all job types."""
    processor = JobProcessor(settings, llm=author or OfflineAuthor())
    for name, job_class in JOB_CLASSES.items():
        processor.register(name, job_class)
    return processor


def enqueue(session: Session, job_type: str, book_id: str, **values: object) -> str:
    """The id of a new job about the book, committed with all that is in the session."""
    job = create_job(job_type=job_type, book_id=book_id, session=session, **values)  # type: ignore[arg-type]
    session.commit()
    return job.job_id


def add_job(engine: Engine, job_type: str, book_id: str, **values: object) -> str:
    """The same, in a session of its own."""
    with Session(engine) as session:
        return enqueue(session, job_type, book_id, **values)


def chunks(engine: Engine, book_id: str, type_: str) -> list[Chunk]:
    """The latest chunks of a type, in reading order."""
    query = select(Chunk).where(Chunk.book_id == book_id, Chunk.type == type_, Chunk.is_latest).order_by(Chunk.position)
    with Session(engine, expire_on_commit=False) as session:
        return list(session.scalars(query))
