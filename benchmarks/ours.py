"""This project as a contestant: real worker processes on a database of their own."""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks.jobs import ENVIRONMENT, JOB_TYPES
from benchmarks.place import Figures, Place
from shared.database import make_engine
from shared.enqueue import NewJob, create_job, create_jobs
from shared.job_types import catalogue

TOOK = {
    "postgresql": "EXTRACT(EPOCH FROM max(completed_at) - min(started_at))",
    "sqlite": "(julianday(max(completed_at)) - julianday(min(started_at))) * 86400",
}


@contextmanager
def engine_of(place: Place) -> Iterator[Engine]:
    """An engine on the place's database, with our tables in it; this process knows the benchmark's job types."""
    known = {job_type.name for job_type in catalogue()}
    for job_type in JOB_TYPES:
        if job_type.name not in known:
            catalogue().add(job_type)
    engine = make_engine(place.migrated())
    yield engine
    engine.dispose()


def fill(engine: Engine, name: str, jobs: int) -> None:
    """Enqueue so many jobs; the planner knows of them, as after a minute of autovacuum."""
    for first in range(0, jobs, 10_000):
        with Session(engine) as session:
            create_jobs([NewJob(name) for _ in range(min(10_000, jobs - first))], session=session)
            session.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def work(place: Place, name: str, jobs: int, concurrency: int, workers: int = 1) -> Figures:
    """Jobs a second of one worker or several, from the first claim to the last settle, by the database's clock."""
    with engine_of(place) as engine:
        fill(engine, name, jobs)
        server = place.server_cpu()
        running = [place.child("benchmarks.worker", concurrency, **ENVIRONMENT) for _ in range(workers)]
        cpu = sum(place.answer(process)["cpu"] for process in running)
        server = place.server_cpu() - server
        of_name = f"FROM jobs WHERE job_type = '{name}'"
        with engine.connect() as connection:
            took = connection.scalar(text(f"SELECT {TOOK[engine.dialect.name]} {of_name}"))
            done = connection.scalar(text(f"SELECT count(*) {of_name} AND state = 'completed'"))
    assert done == jobs, f"{done} of {jobs} jobs completed"
    figures = {"jobs/s": jobs / float(took or 1), "worker µs/job": cpu / jobs * 1e6}
    return figures | ({"server µs/job": server / jobs * 1e6} if place.server_pid else {})


def enqueue(place: Place, single: int, bulk: int) -> Figures:
    """Jobs enqueued per second: one a transaction, and a thousand a transaction."""
    with engine_of(place) as engine:
        began = time.perf_counter()
        for _ in range(single):
            with Session(engine) as session:
                create_job(job_type="noop", session=session)
                session.commit()
        alone = single / (time.perf_counter() - began)
        began = time.perf_counter()
        for _ in range(bulk // 1000):
            with Session(engine) as session:
                create_jobs([NewJob("noop") for _ in range(1000)], session=session)
                session.commit()
        return {"single/s": alone, "bulk/s": bulk / (time.perf_counter() - began)}


@contextmanager
def worker(place: Place, concurrency: int = 10, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`bookbot-worker run`, idle when the block begins."""
    arguments = ("run", "--concurrency", concurrency)
    process = place.child("bookbot_worker", *arguments, BOOKBOT_LOG_FORMAT="json", **ENVIRONMENT | environment)
    log = place.folder / "bookbot_worker.log"
    pause, end = threading.Event(), time.monotonic() + 30
    while not any("worker.started" in line for line in log.read_text().splitlines()):
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < end, log.read_text()[-2000:]
        pause.wait(0.02)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def pick_up(place: Place, times: int) -> Figures:
    """Milliseconds from the commit of an enqueue to the first line of execute(), on an idle worker."""
    waited, pause = [], threading.Event()
    with engine_of(place) as engine, worker(place):
        pause.wait(1.0)
        committed = {}
        for number in range(times):
            with Session(engine) as session:
                job_id = create_job(job_type="clocked", session=session).job_id
                session.commit()
            committed[job_id] = time.monotonic()
            pause.wait(0.011 + 0.0007 * (number % 29))
        pause.wait(2.0)
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT job_id, result FROM jobs WHERE state = 'completed'")).all()
    for job_id, result in rows:
        began = (json.loads(result) if isinstance(result, str) else result)["at"]
        spelled = str(job_id) if "-" in str(job_id) else _with_hyphens(str(job_id))
        waited.append((began - committed[spelled]) * 1000)
    assert len(waited) == times, f"{len(waited)} of {times} jobs were run"
    return {"p50 ms": statistics.median(waited), "p99 ms": sorted(waited)[int(times * 0.99) - 1]}


def _with_hyphens(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def start(place: Place) -> Figures:
    """Seconds from starting the program to the claim of a job that waits."""
    with engine_of(place) as engine:
        with Session(engine) as session:
            create_job(job_type="clocked", session=session)
            session.commit()
        began, pause = time.monotonic(), threading.Event()
        process = subprocess.Popen(
            [sys.executable, "-m", "bookbot_worker", "run"],
            env=place.environment(**ENVIRONMENT),
            stderr=subprocess.DEVNULL,
        )
        try:
            at = None
            while at is None:
                assert time.monotonic() < began + 30
                pause.wait(0.01)
                with engine.connect() as connection:
                    at = connection.scalar(text("SELECT result FROM jobs WHERE result IS NOT NULL"))
        finally:
            process.kill()
            process.wait()
    return {"s to first claim": at["at"] - began}
