"""The database falls, or throws everybody out, and comes back: nothing is lost, nothing done twice, nobody restarts."""

import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.database import Database
from tests.faults.trouble import AtWork, answers, in_transaction, rescued, seconds_until_it_works
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]


def kill_one_session(server: DurableServer) -> None:
    """The postmaster then throws out all others, and recovers."""
    [victim, *_] = server.backends("bookbot-worker%")
    server.kill_backend(victim.pid)
    eventually(lambda: victim.pid not in server.pids())
    eventually(lambda: answers(server))


def kill_the_postmaster(server: DurableServer) -> None:
    server.kill()
    server.restart()


def shut_down(mode: str) -> Callable[[DurableServer], None]:
    def fall(server: DurableServer) -> None:
        server.stop(mode)
        server.restart()

    return fall


FALLS = {
    "SIGKILL of a session": kill_one_session,
    "SIGKILL of the postmaster": kill_the_postmaster,
    "stop -m fast": shut_down("fast"),
    "stop -m immediate": shut_down("immediate"),
}


@pytest.mark.parametrize(
    "name",
    [*list(FALLS)[:2], *(pytest.param(name, marks=pytest.mark.slow_faults) for name in list(FALLS)[2:])],
)
def test_a_fall_loses_no_job_and_needs_no_restart(
    durable: DurableServer, database: Database, fleet: Fleet, figures: Figures, name: str
) -> None:
    fleet.start_many(2)
    jobs = AtWork.begin(database)
    with watch(database.engine):
        FALLS[name](durable)
        seconds = seconds_until_it_works(database)
        jobs.go()
        database.wait_until_ended(jobs.ids)
    figures(f"first new job done after {name}", seconds)
    assert seconds <= 15
    jobs.check_after_loss_of_connections()
    check(database.engine, ids=jobs.ids)
    assert not rescued(fleet)
    assert all(worker.is_alive for worker in fleet.workers)


def test_sessions_terminated_at_random_cost_no_job(
    durable: DurableServer, database: Database, fleet: Fleet, dice: random.Random, figures: Figures
) -> None:
    fleet.start_many(2)
    book = database.add_book()
    chunk = database.add_chunk(book)
    ids: list[str] = []
    terminated = 0
    with watch(database.engine):
        until = time.monotonic() + 4
        while time.monotonic() < until:
            ids += [
                *database.add_many(3, "effect", {"seconds": dice.uniform(0, 0.2)}),
                *database.add_many(2, "quiet", {"m": 0}),
                database.add("writes_early"),
                database.add("book_effect", book_id=book),
                database.add("chunk_effect", book_id=book, chunk_id=chunk),
            ]
            victims = durable.backends("bookbot-worker%")
            for victim in dice.sample(victims, min(3, len(victims))):
                terminated += 1
                durable.execute(f"SELECT pg_terminate_backend({victim.pid})")
        database.wait_until_ended(ids, 60)
    figures("sessions terminated at random, jobs meanwhile", len(ids))
    check(database.engine, ids=ids)
    assert terminated > 20
    assert {database.row(job_id).state for job_id in ids} == {"completed"}
    assert all(worker.is_alive for worker in fleet.workers)


@pytest.mark.parametrize(
    ("place", "last_said", "job_type", "attempt"),
    [
        ("settle.begin", "SELECT jobs.state%", "effect", 1),
        ("settle.state", "UPDATE jobs SET state%", "effect", 2),
        ("settle.commit_sent", "INSERT INTO job_logs%", "effect", 2),
        ("settle.commit_sent", "INSERT INTO job_logs%", "quiet", 1),
    ],
)
def test_the_session_that_settles_is_terminated(
    durable: DurableServer,
    database: Database,
    fleet: Fleet,
    place: str,
    last_said: str,
    job_type: str,
    attempt: int,
) -> None:
    """As long as none of its writes had been sent, the job itself need not run again."""
    worker = fleet.start(failpoint=f"{place}:stop", env={"BOOKBOT_LOG_FLUSH_SECONDS": "60"})
    job = database.add(job_type, {"m": 0} if job_type == "quiet" else {})
    worker.wait_until_frozen()
    [settling] = in_transaction(database, last_said)
    durable.execute(f"SELECT pg_terminate_backend({settling})")
    eventually(lambda: settling not in durable.pids())
    with watch(database.engine):
        worker.cont()
        database.wait_until_ended([job])
    row = database.row(job)
    assert (row.state, row.attempt, row.interruptions) == ("completed", attempt, attempt - 1)
    assert database.starts(job) == attempt
    check(database.engine, ids=[job])
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
