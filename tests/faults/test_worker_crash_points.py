"""Workers that die at every single message to and from the database, counted off by strace.

Before a message is sent; or when it was sent and answered, and the answer is not read. Every worker begins by doing
what the one before it has left behind.
"""

from collections.abc import Callable
from itertools import count

import pytest

from tests.faults.database import Database
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check
from tests.support.running import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow_faults, pytest.mark.timeout(900)]

QUIET = {"BOOKBOT_HEARTBEAT_SECONDS": "20", "BOOKBOT_LEASE_SECONDS": "60", "BOOKBOT_POLL_SECONDS": "20"}
"""Then a thread that has nothing to do sends nothing, and its messages are those of the job alone."""

THREADS: dict[str, Callable[[Worker], int]] = {
    "loop": lambda worker: worker.pid,
    "slot": lambda worker: max(worker.threads()),  # made for the first job, after all others
    "log writer": lambda worker: sorted(worker.threads())[-2],  # the last of those that are made at the start
}


@pytest.mark.parametrize("call", ["sendto", "recvfrom"])
@pytest.mark.parametrize(
    ("thread", "job_type"),
    [("loop", "book_effect"), ("loop", "quiet"), ("slot", "book_effect"), ("log writer", "effect")],
)
def test_a_worker_may_die_at_any_message(
    database: Database, fleet: Fleet, figures: Callable[[str, float], None], thread: str, job_type: str, call: str
) -> None:
    book = {"book_id": database.add_book()} if job_type == "book_effect" else {}
    props = {"seconds": 0.2, "m": 0 if job_type == "quiet" else 3}
    jobs: list[str] = []
    for number in count(1):
        [worker] = fleet.start_many(1, "--concurrency", "1", env=QUIET)
        jobs.append(database.add("effect"))
        database.wait_until_ended(jobs)
        worker.trace(f"{call}:signal=KILL:when={number}", {THREADS[thread](worker)})
        jobs.append(database.add(job_type, props, **book))
        eventually(lambda: database.row(jobs[-1]).completed_at or not worker.is_alive)  # noqa: B023 - called here
        if worker.is_alive:
            break
    worker.kill()
    figures(f"crash points of a run of {job_type}, {thread}, {call}", number - 1)
    assert number > 3
    check(database.engine, ids=jobs)
    assert {database.row(job).state for job in jobs} == {"completed"}
    assert max(database.row(job).losses for job in jobs) <= 1  # none, where the answer to its claim never came
    assert max(database.starts(job) for job in jobs) <= 2
