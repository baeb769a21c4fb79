"""Beside the jobs' own work: the session that listens dies silently, a reader keeps an old snapshot for long."""

import signal
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.faults.database import Database
from tests.faults.trouble import seconds_until_it_works
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]


def listening(server: DurableServer) -> list[int]:
    """Sessions that listen."""
    return [session.pid for session in server.backends("bookbot-worker%") if session.query.startswith("LISTEN")]


def test_where_the_session_that_listens_is_silently_dead_jobs_are_found_by_polling(
    durable: DurableServer, database: Database, fleet: Fleet, figures: Figures
) -> None:
    """And once it is known to be dead, there is another one. Beats are rare here: they too make a worker look."""
    worker = fleet.start(
        env={"BOOKBOT_HEARTBEAT_SECONDS": "5", "BOOKBOT_LEASE_SECONDS": "20", "BOOKBOT_POLL_SECONDS": "1"}
    )
    worker.wait_for_event("worker.started")
    [dead] = listening(durable)
    figures("pick-up of a job by NOTIFY", seconds_until_it_works(database))
    durable.kill_backend(dead, signal.SIGSTOP)
    figures("pick-up of a job while the listener is frozen (poll 1 s)", seconds_until_it_works(database))
    durable.execute(f"SELECT pg_terminate_backend({dead})")
    durable.kill_backend(dead, signal.SIGCONT)
    worker.wait_for_event("listen.lost")
    eventually(lambda: set(listening(durable)) - {dead})
    figures("pick-up of a job by NOTIFY, listening again", seconds_until_it_works(database))
    check(database.engine)


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow_faults)])
def test_jobs_go_on_while_a_reader_keeps_an_old_snapshot(
    database: Database, fleet: Fleet, figures: Figures, count: int
) -> None:
    """Nothing that is dead can be vacuumed: every claim passes the rows of all jobs that were."""
    fleet.start_many(2)
    quarter = count // 4
    old = database.engine.execution_options(isolation_level="REPEATABLE READ")
    with watch(database.engine), old.connect() as reader:
        seen = reader.scalar(text("SELECT count(*) FROM jobs"))
        ids: list[str] = []
        for number in range(4):
            started = time.monotonic()
            more = [*database.add_many(quarter // 2, "effect"), *database.add_many(quarter // 2, "quiet", {"m": 0})]
            database.wait_until_ended(more, 200)
            figures(
                f"jobs a second beside an old snapshot, quarter {number + 1} of {count}",
                len(more) / (time.monotonic() - started),
            )
            ids += more
        assert reader.scalar(text("SELECT count(*) FROM jobs")) == seen
    assert {database.row(job_id).state for job_id in ids} == {"completed"}
    check(database.engine, ids=ids)
