"""Running jobs in tests: a real processor on a real database, in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.processor import JobProcessor
from shared.database import read_only
from shared.enqueue import create_job
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Job, JobLog
from shared.settings import Settings


def processor_for(settings: Settings, *job_classes: type[BaseJob], llm: Any = None, **policies: Any) -> JobProcessor:
    """A processor that runs these classes; each is declared under its `name_of` with `policies`."""
    processor = JobProcessor(settings, llm=llm)
    for job_class in job_classes:
        declare(job_class, **policies)
        processor.register(name_of(job_class), job_class)
    return processor


def declare(job_class: type[BaseJob], **policies: Any) -> str:
    """Put the class into the catalogue, unless it is there; returns the name of its job type."""
    name = name_of(job_class)
    if name not in {job_type.name for job_type in catalogue()}:
        catalogue().add(JobType(name, policies.pop("props", AnyProps), locks=job_class.locks, **policies))
    return name


def name_of(job_class: type[BaseJob]) -> str:
    """MyNewJob → my_new_job."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in job_class.__name__).lstrip("_")


def enqueue(engine: Engine, job_class: type[BaseJob], **values: Any) -> str:
    """Enqueue one job of the class in a transaction of its own; returns its id."""
    name = declare(job_class)
    with Session(engine) as session:
        job = create_job(job_type=name, session=session, **values)
        session.commit()
        return job.job_id


def run_one(settings: Settings, engine: Engine, job_class: type[BaseJob], **values: Any) -> Job:
    """Enqueue one job, run a worker until the queue is empty, return the job's row as it ended."""
    processor = processor_for(settings, job_class)
    job_id = enqueue(engine, job_class, **values)
    processor.run(until_empty=True)
    return row(engine, job_id)


def row(engine: Engine, job_id: str) -> Job:
    """The job's row as it is now. Looking again and again keeps no writer of SQLite from its turn."""
    with Session(read_only(engine)) as session:
        return session.get_one(Job, job_id)


def lines(engine: Engine, job_id: str) -> list[str]:
    """The job's log lines, in reading order."""
    with Session(read_only(engine)) as session:
        query = session.query(JobLog).filter_by(job_id=job_id).order_by(JobLog.attempt, JobLog.seq)
        return [line.message for line in query]


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true value of `condition`. Fails after `seconds`."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        pause.wait(0.02)
    raise AssertionError(f"not within {seconds} s: {condition}")


@contextmanager
def running(processor: JobProcessor) -> Iterator[JobProcessor]:
    """The processor at work in a thread of its own, stopped at the end of the block."""
    processor.start()
    try:
        yield processor
    finally:
        processor.stop()
        assert processor.failure is None, processor.failure
