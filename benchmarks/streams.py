"""The case of many answers at a time: one worker, 200 streams, all called off at once.

The worker and the server that streams (`llm-stub`) are processes of their own, so that the figures are the worker's
alone. They are those of Linux's /proc, and of the server's own record.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from benchmarks.cases import Figures
from bookbot_worker.llm.offline import MODEL
from shared.control import cancel_job
from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.models import Book, Job
from shared.settings import Settings

BRIEF = "# The Clock of Lisbon\n\nInes inherits a clock that runs backwards. Paulo wants to sell the clock."
WORDS_PER_SECOND = 20
"""About the speed of a large model; the shortest answer takes ten seconds."""

STEADY_SECONDS = 5.0


def streams(engine: Engine, settings: Settings, count: int) -> Figures:
    """One worker with `count` streams: its memory, its CPU, its sessions, and how soon all of them are closed."""
    with tempfile.TemporaryDirectory() as folder, _stub(Path(folder) / "record") as (url, record):
        job_ids = _enqueue(engine, count)
        with _sessions(engine) as sessions, _worker(settings, url, count, Path(folder) / "log") as worker:
            _until(lambda: _count(record, "request") == count)
            cpu, began = cpu_seconds(worker.pid), time.monotonic()
            threading.Event().wait(STEADY_SECONDS)
            cpu, took = cpu_seconds(worker.pid) - cpu, time.monotonic() - began
            assert _count(record, "answered") == 0, "an answer was over too soon to be called off"
            with Session(engine) as session:
                for job_id in job_ids:
                    cancel_job(job_id, session=session)
                session.commit()
            began = time.monotonic()
            _until(lambda: _count(record, "answered") == count)
            closed = time.monotonic() - began
            _until(lambda: _cancelled(engine, job_ids) == count)
            settled = time.monotonic() - began
            figures = {
                f"{count} streams RSS MB": most_memory(worker.pid) / 1e6,
                f"{count} streams CPU %": cpu / took * 100,
                f"{count} streams closed s": closed,
                f"{count} streams settled s": settled,
            }
    return figures | ({f"{count} streams sessions": max(sessions)} if any(sessions) else {})


def _enqueue(engine: Engine, count: int) -> list[str]:
    with Session(engine) as session:
        books = [Book(book_id=new_id(), title="benchmark", props={}) for _ in range(count)]
        session.add_all(books)
        props = {"brief": BRIEF}
        jobs = create_jobs(
            [NewJob("create_foundation", book_id=book.book_id, props=props) for book in books], session=session
        )
        session.commit()
        return [job.job_id for job in jobs]


@contextmanager
def _stub(record: Path) -> Iterator[tuple[str, Path]]:
    options = ("--record", str(record), "--words-per-second", str(WORDS_PER_SECOND))
    with _running("llm-stub", *options, env={}, output=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip(), record


@contextmanager
def _worker(settings: Settings, url: str, count: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BOOKBOT_LLM": "openai_compatible",
        "BOOKBOT_LLM_BASE_URL": url,
        "BOOKBOT_LLM_MODEL": MODEL,
    }
    options = ("--concurrency", str(count))
    with log.open("wb") as output, _running("run", *options, env=environment, output=output) as process:
        yield process


@contextmanager
def _running(
    command: str, *options: str, env: dict[str, str], output: IO[bytes] | int
) -> Iterator["subprocess.Popen[bytes]"]:
    words = [sys.executable, "-m", "bookbot_worker", command, *options]
    with subprocess.Popen(words, env=os.environ | env, stdout=output, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def _count(record: Path, event: str) -> int:
    lines = record.read_text().splitlines(keepends=True)
    return sum(json.loads(line)["event"] == event for line in lines if line.endswith("\n"))


def _cancelled(engine: Engine, job_ids: list[str]) -> int:
    with Session(engine) as session:
        query = select(func.count()).where(Job.job_id.in_(job_ids), Job.state == "cancelled")
        return session.scalar(query) or 0


@contextmanager
def _sessions(engine: Engine) -> Iterator[list[float]]:
    """How many sessions workers have at PostgreSQL, looked at all the time; nothing on SQLite."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'bookbot-worker:%'"
    )
    seen: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.05):
            with engine.connect() as connection:
                seen.append(float(connection.scalar(query) or 0))

    watcher = threading.Thread(target=look)
    if engine.dialect.name == "postgresql":
        watcher.start()
    try:
        yield seen
    finally:
        is_over.set()
        if watcher.ident is not None:
            watcher.join()


def most_memory(pid: int) -> int:
    """The largest resident set so far, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    pause, end = threading.Event(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} seconds"
        pause.wait(0.02)
