"""The cases: how many jobs a worker runs per second, how fast jobs are enqueued, how soon one is picked up.

Each takes an engine and settings for an empty, migrated database and returns figures by name.
"""

import statistics
import threading
import time

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.processor import JobProcessor
from shared.enqueue import NewJob, create_job, create_jobs
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Book
from shared.settings import Settings

Figures = dict[str, float]


class NoOp(BaseJob):
    """Nothing: what is left is the engine."""

    def execute(self) -> bool:
        return True


class Writes(BaseJob):
    """One row: settled alone, in a transaction of its own."""

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="benchmark", props={}))
        return True


class Logs(BaseJob):
    """Three log lines."""

    def execute(self) -> bool:
        for number in range(3):
            self.log(f"line {number}")
        return True


class Clocked(BaseJob):
    """Notes when it started."""

    started_at = 0.0
    started = threading.Event()

    def execute(self) -> bool:
        Clocked.started_at = time.perf_counter()
        Clocked.started.set()
        return True


CLASSES = {"noop": NoOp, "writes": Writes, "logs": Logs, "clocked": Clocked}


def processor(settings: Settings) -> JobProcessor:
    """A worker that knows the benchmark's jobs."""
    made = JobProcessor(settings)
    for name, job_class in CLASSES.items():
        catalogue().add(JobType(name, AnyProps))
        made.register(name, job_class)
    return made


def throughput(engine: Engine, settings: Settings, name: str, jobs: int) -> Figures:
    """Jobs per second of one worker, from its first claim to its last settle (both by the database's clock)."""
    worker = processor(settings)
    with Session(engine) as session:
        create_jobs([NewJob(name) for _ in range(jobs)], session=session)
        session.commit()
    cpu = time.process_time()
    worker.run(until_empty=True)
    cpu = time.process_time() - cpu
    seconds = (
        "EXTRACT(EPOCH FROM max(completed_at) - min(started_at))"
        if engine.dialect.name == "postgresql"
        else "(julianday(max(completed_at)) - julianday(min(started_at))) * 86400"
    )
    with engine.connect() as connection:
        took = connection.scalar(text(f"SELECT {seconds} FROM jobs WHERE job_type = '{name}'"))  # noqa: S608
        done = connection.scalar(text(f"SELECT count(*) FROM jobs WHERE state = 'completed' AND job_type = '{name}'"))  # noqa: S608
    assert done == jobs, f"{done} of {jobs} jobs completed"
    return {f"{name} jobs/s": jobs / float(took or 1), f"{name} worker CPU µs/job": cpu / jobs * 1e6}


def enqueue(engine: Engine, _settings: Settings, single: int, bulk: int) -> Figures:
    """Jobs enqueued per second: one a transaction, and a thousand a transaction."""
    started = time.perf_counter()
    for _ in range(single):
        with Session(engine) as session:
            create_job(job_type="demo", session=session)
            session.commit()
    alone = single / (time.perf_counter() - started)
    started = time.perf_counter()
    for _ in range(bulk // 1000):
        with Session(engine) as session:
            create_jobs([NewJob("demo") for _ in range(1000)], session=session)
            session.commit()
    return {"enqueue single/s": alone, "enqueue bulk/s": bulk / (time.perf_counter() - started)}


def pick_up(engine: Engine, settings: Settings, times: int) -> Figures:
    """Milliseconds from the commit of an enqueue to the first line of execute(), on an idle worker."""
    worker = processor(settings)
    worker.start()
    pause = threading.Event()
    pause.wait(1.0)
    latencies = []
    for number in range(times):
        Clocked.started.clear()
        with Session(engine) as session:
            create_job(job_type="clocked", session=session)
            session.commit()
        committed = time.perf_counter()
        assert Clocked.started.wait(10), "the job was never started"
        latencies.append((Clocked.started_at - committed) * 1000)
        pause.wait(0.011 + 0.0007 * (number % 29))
    worker.stop()
    ordered = sorted(latencies)
    return {"pick-up p50 ms": statistics.median(ordered), "pick-up p99 ms": ordered[int(len(ordered) * 0.99) - 1]}
