"""This project under strain: a long history, an old snapshot, locked books, many lines, many waits, none."""

import statistics
import threading
import time

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks import ours
from benchmarks.jobs import LINES
from benchmarks.machine import cpu_seconds, most_memory
from benchmarks.place import Figures, Place
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.models import Book

FINISHED = """
INSERT INTO jobs (job_id, job_type, props, state, run_at, created_at, started_at, completed_at, attempt, claim_id)
SELECT gen_random_uuid(), 'ended', '{}', 'completed', t, t, t, t, 1, gen_random_uuid()
  FROM (SELECT now() - make_interval(secs => n / 10.0) AS t FROM generate_series(1, %s) AS n) AS ended
"""

COMPLETE_ALL = "UPDATE jobs SET state = 'completed', completed_at = now(), worker_id = NULL WHERE state = 'running'"


def history(place: Place, jobs: int, finished: int) -> Figures:
    """Throughput of a worker beside so many finished jobs."""
    with ours.engine_of(place), psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(FINISHED, (finished,))
        connection.execute("VACUUM ANALYZE jobs")
        connection.execute("CHECKPOINT")  # else what has just been loaded is written while the jobs run
    return ours.work(place, "noop", jobs, 200)


def snapshot(place: Place, waiting: int, churned: int) -> Figures:
    """Claims of ten while a transaction keeps every dead row of `churned` jobs from being removed.

    The ten minutes of the snapshot are simulated: it is opened first, and what so many jobs leave behind in ten minutes
    is left behind at once (each is claimed and settled: three versions of its row, two of them dead).
    """
    with ours.engine_of(place) as engine, psycopg.connect(place.url) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM jobs")
        ours.fill(engine, "noop", waiting + churned)
        claimant = Claimant(new_id(), ("noop",))
        left = churned
        while left > 0:
            jobs = claim(engine, claimant, min(left, 1000))
            with engine.begin() as connection:
                connection.execute(text(COMPLETE_ALL))
            left -= len(jobs)
        took = []
        for _ in range(200):
            began = time.perf_counter()
            assert len(claim(engine, claimant, 10)) == 10
            took.append((time.perf_counter() - began) * 1000)
    return {"claim p50 ms": statistics.median(took), "claim p99 ms": sorted(took)[197]}


def fairness(place: Place, locked: int) -> Figures:
    """Claims of ten free jobs behind so many whose book is held by another."""
    with ours.engine_of(place) as engine:
        with Session(engine) as session:
            books = [Book(book_id=new_id(), title="held", locked_by_job_id=new_id()) for _ in range(locked // 10)]
            session.add_all(books)
            session.flush()
            create_jobs([NewJob("locks", book_id=book.book_id, priority=9) for book in books * 10], session=session)
            session.commit()
        ours.fill(engine, "noop", 1000)
        claimant, took = Claimant(new_id(), ("noop", "locks")), []
        for _ in range(100):
            began = time.perf_counter()
            assert len(claim(engine, claimant, 10)) == 10
            took.append((time.perf_counter() - began) * 1000)
    return {"claim p50 ms": statistics.median(took), "claim p99 ms": sorted(took)[98]}


def logs(place: Place, jobs: int) -> Figures:
    """Lines stored a second by jobs of a hundred lines each, and what a line costs the job that writes it."""
    figures = ours.work(place, "logs", jobs, 10)
    held_up = place.query("SELECT avg((result->>'seconds')::float) FROM jobs WHERE job_type = 'logs'")
    stored = place.query("SELECT count(*) FROM job_logs")
    assert stored == jobs * LINES, f"{stored} lines of {jobs * LINES}"
    return {
        "lines/s": figures["jobs/s"] * LINES,
        "job µs/line": held_up / LINES * 1e6,
        "worker µs/line": figures["worker µs/job"] / LINES,
    }


def sleeps(place: Place, jobs: int, concurrency: int) -> Figures:
    """Jobs of one second, so many at a time: from the first claim to the last settle, memory and sessions."""
    most, pause = 0, threading.Event()
    with ours.engine_of(place) as engine:
        ours.fill(engine, "sleeps", jobs)
        with ours.worker(place, concurrency) as process, engine.connect() as connection:
            done = 0
            while done < jobs:
                pause.wait(0.1)
                done = connection.scalar(text("SELECT count(*) FROM jobs WHERE completed_at IS NOT NULL")) or 0
                most = max(most, _sessions(place))
                connection.rollback()
            memory = most_memory(process.pid)
        with engine.connect() as connection:
            took = float(connection.scalar(text(f"SELECT {ours.TOOK['postgresql']} FROM jobs")) or 0)  # noqa: S608
    return {"s": took, "RSS MB": memory, "sessions": most}


def idle(place: Place, seconds: float) -> Figures:
    """A worker that waits for a minute: transactions, and its CPU; both for 60 s."""
    with ours.engine_of(place), ours.worker(place) as process:
        threading.Event().wait(3.0)
        query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        cpu, transactions = cpu_seconds(process.pid), place.query(query)
        threading.Event().wait(seconds)
        cpu, transactions = cpu_seconds(process.pid) - cpu, place.query(query) - transactions - 1
        memory, sessions = most_memory(process.pid), _sessions(place)
    minute = 60 / seconds
    return {
        "transactions/min": transactions * minute,
        "CPU s/min": cpu * minute,
        "RSS MB": memory,
        "sessions": sessions,
    }


def _sessions(place: Place) -> int:
    return int(
        place.query(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'bookbot-worker:%'"
        )
    )
