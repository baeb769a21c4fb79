"""The server is well and the way to it is not: refused, swallowed, reset again and again, slow."""

import time
from collections.abc import Callable

import pytest

from shared.settings import Settings
from tests.faults.database import Database
from tests.faults.trouble import never, rescued, seconds_until_it_works, wait_until_they_wait
from tests.support.chaos_proxy import ChaosProxy
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]

USUAL = {
    "BOOKBOT_HEARTBEAT_SECONDS": "4",
    "BOOKBOT_LEASE_SECONDS": "20",
    "BOOKBOT_RESCUE_SECONDS": "4",
    "BOOKBOT_POLL_SECONDS": "1",
    "BOOKBOT_LOG_FLUSH_SECONDS": "0.5",
    "BOOKBOT_DATABASE_TIMEOUT_SECONDS": "30",
}
"""The defaults: how often a worker tries to connect follows from them."""


def nothing(_proxy: ChaosProxy) -> None: ...


BAD_WAYS: dict[str, tuple[Callable[[ChaosProxy], None], Callable[[ChaosProxy], None], float]] = {
    "reset 50 times a second": (ChaosProxy.reset, ChaosProxy.reset, 20),
    "refused": (ChaosProxy.refuse, nothing, 20),
    "swallowed": (ChaosProxy.blackhole, nothing, 20),
}
"""What happens at first, then again and again, and for how many seconds."""


@pytest.mark.slow_faults
@pytest.mark.parametrize("name", BAD_WAYS)
def test_a_worker_that_cannot_connect_tries_again_in_no_hurry(
    database: Database, fleet: Fleet, proxy: ChaosProxy, proxied: Settings, figures: Figures, name: str
) -> None:
    """Jobs that end meanwhile try too: the figures are those of a worker with ten of them."""
    at_first, again, seconds = BAD_WAYS[name]
    worker = fleet.start(settings=proxied, env=USUAL)
    worker.wait_for_event("worker.started")
    ids = database.add_many(10, "quiet", {"until": "go"})
    wait_until_they_wait(database, ids)
    with watch(database.engine):
        at_first(proxy)
        proxy.reset()
        database.witness.add("go")
        before = len(proxy.attempts)
        never(lambda: again(proxy) or not worker.is_alive, seconds)
        tries = len(proxy.attempts) - before
        proxy.passing()
        figures(f"connections a second where each is {name}, 10 jobs ended", tries / seconds)
        figures(f"first new job done after connections were {name}", seconds_until_it_works(database))
        database.wait_until_ended(ids)
    assert tries / seconds < 20
    assert {(database.row(job_id).state, database.row(job_id).losses) for job_id in ids} == {("completed", 0)}
    check(database.engine, ids=ids)


@pytest.mark.parametrize(
    ("delay", "jobs"), [(0.2, 5), pytest.param(1.0, 5, marks=[pytest.mark.slow_faults, pytest.mark.timeout(400)])]
)
def test_where_everything_takes_its_time_nobody_is_taken_for_dead(
    database: Database, fleet: Fleet, proxy: ChaosProxy, proxied: Settings, figures: Figures, delay: float, jobs: int
) -> None:
    """Each message, each way. The beats of the slow worker come late, and in time.

    With 1 s a connection just comes about within libpq's 5 s. With 2 s it would not: who loses one is taken for dead.
    """
    slow = fleet.start(settings=proxied, env=USUAL)
    slow.wait_for_event("worker.started")
    watching = fleet.start(env=USUAL)
    watching.wait_for_event("worker.started")
    watching.freeze()
    proxy.delay(delay)
    with watch(database.engine, idle_seconds=None):  # between two messages of a transaction nothing happens for long
        started = time.monotonic()
        ids = [*database.add_many(jobs, "effect"), *database.add_many(jobs, "quiet", {"m": 0})]
        database.wait_for_start(ids[0], seconds=120)
        watching.cont()
        database.wait_until_ended(ids, 300)
        figures(f"{2 * jobs} jobs where every message takes {delay} s", time.monotonic() - started)
        proxy.delay(0)
    rows = [database.row(job_id) for job_id in ids]
    assert {(row.state, row.attempt - row.interruptions, row.losses) for row in rows} == {("completed", 1, 0)}
    assert delay >= 1 or not any(row.interruptions for row in rows)
    assert not rescued(fleet)
    check(database.engine, ids=ids)
