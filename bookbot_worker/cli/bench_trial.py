"""What `bench` does to a database: jobs that do nothing, in a queue of their own, and a worker here that runs them.

Nothing of it is left afterwards, whatever ends it. Workers elsewhere do not know the type of these jobs.
"""

import logging
import statistics
import threading
import time
from typing import ClassVar

import structlog
from sqlalchemy import Engine, delete, func, select

from bookbot_worker.cli.database import reading, writing
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.processor import JobProcessor
from shared.enqueue import NewJob, create_job, create_jobs
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Job, Worker
from shared.settings import Settings

QUEUE = "bookbot-bench"
JOB_TYPE = "bench"
AT_ONCE = 1000


class BenchJob(BaseJob):
    """Notes when it began, and nothing else."""

    began: ClassVar[float] = 0.0
    has_begun = threading.Event()

    def execute(self) -> bool:
        BenchJob.began = time.perf_counter()
        BenchJob.has_begun.set()
        return True


class Trial:
    """The figures of one database, one after the other; leave it as a context, so that nothing stays behind."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings.model_copy(update={"queues": (QUEUE,), "worker_name": QUEUE, "health_port": None})
        self._engine = engine

    def __enter__(self) -> "Trial":
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        if JOB_TYPE not in {job_type.name for job_type in catalogue()}:
            catalogue().add(JobType(JOB_TYPE, AnyProps, queue=QUEUE))
        return self

    def __exit__(self, *_: object) -> None:
        with writing(self._engine) as session:
            session.execute(delete(Job).where(Job.queue == QUEUE, Job.job_type == JOB_TYPE))
            session.execute(delete(Worker).where(Worker.name == QUEUE, Worker.state == "stopped"))

    def enqueue_one_by_one(self, jobs: int) -> float:
        """Jobs a second, each in a transaction of its own."""
        began = time.perf_counter()
        for _ in range(jobs):
            with writing(self._engine) as session:
                create_job(job_type=JOB_TYPE, session=session)
        return jobs / (time.perf_counter() - began)

    def enqueue_in_bulk(self, jobs: int) -> float:
        """Jobs a second, up to a thousand a transaction."""
        began = time.perf_counter()
        for first in range(0, jobs, AT_ONCE):
            with writing(self._engine) as session:
                create_jobs([NewJob(JOB_TYPE) for _ in range(min(AT_ONCE, jobs - first))], session=session)
        return jobs / (time.perf_counter() - began)

    def run(self) -> float:
        """Jobs a second of one worker, over all that wait: enqueued to settled."""
        began = time.perf_counter()
        self._worker().run(until_empty=True)
        took = time.perf_counter() - began
        with reading(self._engine) as session:
            done = select(func.count()).where(Job.queue == QUEUE, Job.job_type == JOB_TYPE, Job.state == "completed")
            return (session.scalar(done) or 0) / took

    def pick_up(self, times: int) -> tuple[float, float]:
        """Milliseconds from the commit to the first line of the job, on an idle worker: the median and the longest."""
        worker = self._worker()
        worker.start()
        try:
            self._one(30.0)  # once it has started it is idle
            waited = [self._one(30.0) * 1000 for _ in range(times)]
        finally:
            worker.stop()
        return statistics.median(waited), max(waited)

    def _one(self, patience: float) -> float:
        BenchJob.has_begun.clear()
        with writing(self._engine) as session:
            create_job(job_type=JOB_TYPE, session=session)
        committed = time.perf_counter()
        if not BenchJob.has_begun.wait(patience):
            raise TimeoutError(f"a job was not started within {patience:.0f} s")
        return BenchJob.began - committed

    def _worker(self) -> JobProcessor:
        worker = JobProcessor(self._settings)
        worker.register(JOB_TYPE, BenchJob)
        return worker
