"""A worker that has done a thousand jobs, good ones and bad ones, needs no more than after the first two hundred."""

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from shared.control import cancel_job
from tests.faults.database import Database
from tests.faults.jobs import TIMEOUT_VARIABLE
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch

pytestmark = [pytest.mark.faults, pytest.mark.slow_faults, pytest.mark.timeout(600)]

MB = 1024
"""In the KB of /proc."""


def status(worker: Worker, name: str) -> int:
    """A number of /proc/PID/status."""
    [line] = [
        line for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines() if line.startswith(f"{name}:")
    ]
    return int(line.split()[1])


def measure(worker: Worker) -> dict[str, int]:
    """What it needs: memory in KB, threads, open files."""
    return {
        "memory": status(worker, "VmRSS"),
        "threads": status(worker, "Threads"),
        "descriptors": len(list(Path(f"/proc/{worker.pid}/fd").iterdir())),
    }


def add_twenty(database: Database, dice: random.Random, books: list[str]) -> list[str]:
    """What a day brings, in small: most jobs do their work, others are put off, fail, hang, or are called off."""
    cancelled = database.add("effect", {"seconds": 60})
    jobs = [
        *database.add_many(8, "effect", {"seconds": 0.01}),
        *(database.add("book_effect", book_id=dice.choice(books)) for _ in range(4)),
        *database.add_many(2, "retries", {"times": 1}),
        *database.add_many(2, "quiet", {"m": 0}),
        database.add("snoozes", {"witness": f"{database.witness.path}-{dice.random()}"}),  # it reads all of the file
        database.add("recurses"),
        database.add("hangs", {"seconds": 4, "flush": True}) if dice.random() < 0.3 else database.add("effect"),
        cancelled,
    ]
    database.wait_for_start(cancelled)
    with Session(database.engine) as session:
        cancel_job(cancelled, session=session)
        session.commit()
    return jobs


def fill_the_pool(database: Database, word: str) -> None:
    """Have every connection that jobs share used at the same time."""
    jobs = database.add_many(8, "writes_early", {"until": word})
    for job in jobs:
        database.wait_for_start(job)
    database.witness.add(word)
    database.wait_until_ended(jobs)


def test_a_thousand_jobs_leave_nothing_behind_in_their_worker(
    database: Database,
    fleet: Fleet,
    durable: DurableServer,
    dice: random.Random,
    figures: Callable[[str, float], None],
) -> None:
    [worker] = fleet.start_many(1, "--concurrency", "20", env={TIMEOUT_VARIABLE: "2"})
    books = [database.add_book() for _ in range(10)]
    jobs: list[str] = []
    measured: dict[int, dict[str, int]] = {}
    with watch(database.engine):
        for goal in (200, 1000):
            while len(jobs) < goal:
                jobs += add_twenty(database, dice, books)
                database.wait_until_ended(jobs[-40:-20], 60)
            database.wait_until_ended(jobs, 60)
            database.wait_until_ended([database.add("effect", {"seconds": 1.8})])  # hung threads come back meanwhile
            fill_the_pool(database, f"enough-{goal}")
            measured[goal] = measure(worker)
    early, late = measured[200], measured[1000]
    for goal, needs in measured.items():
        for name, value in needs.items():
            figures(f"endurance: {name} after {goal} jobs", value / (MB if name == "memory" else 1))
    assert late["threads"] == early["threads"]
    assert late["descriptors"] <= early["descriptors"] + 2  # the engine's own pool is as full as it happens to be
    assert late["memory"] < early["memory"] + 8 * MB
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    check(database.engine, ids=jobs)
    assert durable.backends("bookbot%") == []
