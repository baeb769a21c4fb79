"""Running one job, or all, for a test: a real processor on a scratch database, stopped when there is nothing to see."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from bookbot_worker.attempt import Attempt
from bookbot_worker.daemon import build_processor
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.llm.choose import author_for
from bookbot_worker.llm.client import LLM
from bookbot_worker.processor import JobProcessor
from bookbot_worker.testing.performed import Performed
from bookbot_worker.testing.rows import differences, snapshot
from bookbot_worker.testing.scratch import on_a_database
from bookbot_worker.testing.subject import Subject, class_of
from shared.clock import db_now
from shared.database import make_engine, read_only
from shared.enqueue import create_job
from shared.models import Base, Book, Chunk, Job, JobLog, LlmCall
from shared.settings import Settings
from shared.states import JobState
from shared.why import explain

FIRST = 2**31 - 1
"""Priority of the job that is tried: nothing that waits already comes before it."""


class NotPerformed(AssertionError):
    """The job could not be run, or did not end in time; the message says why."""


class _OneRun(JobProcessor):
    """Ends after one run of one job, whatever is waiting."""

    only: str = ""

    def _process_job(self, attempt: Attempt) -> None:
        if attempt.job_id == self.only:
            self.request_stop()
        super()._process_job(attempt)


def perform_job(
    job_type: str | type[BaseJob] | Performed,
    props: Mapping[str, Any] | BaseModel | None = None,
    *,
    book: Book | str | None = None,
    chunk: Chunk | str | None = None,
    scenes: Sequence[str] = (),
    given: Sequence[Base] = (),
    llm: LLM | None = None,
    database: Settings | str | None = None,
    seconds: float = 60.0,
    **values: Any,
) -> Performed:
    """Enqueue one job, run it once as a worker would, and return what became of it.

    `job_type`: its name, or its class; a class that is registered nowhere is declared on the spot, with any props.
    Or what an earlier call returned: that job, which waits for its next run, is run now, whenever it was due.
    `book`, `chunk`: rows to store first, or ids; a job that needs a book gets an empty one where none is given.
    `scenes`: texts of the book's scenes; a job that locks a chunk gets the first where none is given. `given`: more
    rows to store first. `llm`: who answers (None: the offline author). `database`: settings or a URL (None: a new
    SQLite file, deleted afterwards). `values`: as for `create_job`.

    Raises NotPerformed where it does not run (a job it depends on has not ended) or takes longer than `seconds`, and
    whatever `create_job` raises.
    """
    with on_a_database(database) as settings, _engine_of(settings) as engine:
        if isinstance(job_type, Performed):
            name, job_class = job_type.job.job_type, job_type.job_class
            job_id = _due_now(engine, job_type.job.job_id)
            return _run_once(settings, engine, name, job_class, job_id, llm, seconds)
        name, job_class = class_of(job_type, settings)
        subject = Subject.of(name, book, chunk, scenes)
        with Session(engine, expire_on_commit=False) as session, session.begin():
            session.add_all([*subject.rows, *given])
            session.flush()
            given_props = props if isinstance(props, BaseModel) else dict(props or {})
            about = {"book_id": subject.book_id, "chunk_id": subject.chunk_id, "priority": FIRST}
            job_id = create_job(job_type=name, props=given_props, session=session, **(about | values)).job_id
        return _run_once(settings, engine, name, job_class, job_id, llm, seconds)


def drain(worker: JobProcessor | Settings | str, *, llm: LLM | None = None, seconds: float = 60.0) -> dict[str, int]:
    """Work until nothing is left to do; returns how many jobs of the database are in each state.

    `worker`: a processor, or the settings or URL of a database, for all registered job types and the author `llm`.
    Retries are waited for. Raises NotPerformed where that takes longer than `seconds`.
    """
    processor = worker if isinstance(worker, JobProcessor) else None
    with on_a_database(processor.settings if processor else worker) as settings:  # type: ignore[arg-type]
        _run(processor or _with_all_types(settings, llm), seconds)
        with _engine_of(settings) as engine, Session(read_only(engine)) as session:
            return dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())


def _due_now(engine: Engine, job_id: str) -> str:
    """Let the job be the next that runs. Raises NotPerformed where it does not wait."""
    due = update(Job).where(Job.job_id == job_id, Job.state == JobState.WAITING)
    with Session(engine) as session, session.begin():
        if not session.execute(due.values(run_at=db_now(), priority=FIRST).returning(Job.job_id)).all():
            raise NotPerformed(f"job {job_id} waits for no further run")
    return job_id


def _run_once(
    settings: Settings,
    engine: Engine,
    name: str,
    job_class: type[BaseJob],
    job_id: str,
    llm: LLM | None,
    seconds: float,
) -> Performed:
    before = snapshot(engine)
    update = {"concurrency": 1, "drain_seconds": 2 * seconds}
    processor = _OneRun(settings.model_copy(update=update), llm=llm or _offline(settings))
    processor.only = job_id
    processor.register(name, job_class)
    _run(processor, seconds)
    after = snapshot(engine)
    with Session(read_only(engine), expire_on_commit=False) as session:
        if not processor.stop_requests:
            raise NotPerformed(f"the {name} job did not run: {explain(session, job_id)}")
        return Performed(
            job=session.get_one(Job, job_id),
            job_class=job_class,
            logs=session.scalars(
                select(JobLog).where(JobLog.job_id == job_id).order_by(JobLog.attempt, JobLog.seq)
            ).all(),
            llm_calls=session.scalars(
                select(LlmCall).where(LlmCall.job_id == job_id).order_by(LlmCall.attempt, LlmCall.seq, LlmCall.call_id)
            ).all(),
            writes=tuple(differences(before, after, but_not=job_id)),
        )


def _run(processor: JobProcessor, seconds: float) -> None:
    """Until it is empty. What does not stop is parted with, as by a worker that must end."""
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        processor.request_stop()
        processor.request_stop()

    limit = threading.Timer(seconds, give_up)
    limit.daemon = True
    limit.start()
    try:
        processor.run(until_empty=True)
    finally:
        limit.cancel()
    if is_late.is_set():
        raise NotPerformed(f"not done within {seconds:g} s")


def _with_all_types(settings: Settings, llm: LLM | None) -> JobProcessor:
    usual = build_processor(settings)
    processor = JobProcessor(settings, llm=llm or _offline(settings))
    for name in usual.registry:
        processor.register(name, usual.registry.find(name)[1])
    return processor


def _offline(settings: Settings) -> LLM:
    """The author that costs nothing, whatever the settings say."""
    return author_for(settings.model_copy(update={"llm": "offline"}))


@contextmanager
def _engine_of(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()
