"""What a worker's pages say while its database is away: the truth, and in time."""

import time
from collections.abc import Callable

import pytest

from tests.faults.database import Database
from tests.faults.trouble import readiness
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.postgres import free_port
from tests.support.running import eventually
from tests.support.scrape import scrape

pytestmark = pytest.mark.faults

IN_TIME = 5.0
"""Seconds after which the health page hangs up on its clients."""


def figure(port: int, name: str, **labels: str) -> float | None:
    return scrape(port).get(name, **labels)


@pytest.mark.parametrize("away", [DurableServer.stop, DurableServer.pause])
def test_while_the_database_is_away_a_worker_says_so_and_why(
    durable: DurableServer, database: Database, fleet: Fleet, away: Callable[[DurableServer], None]
) -> None:
    port = free_port()
    worker = fleet.start("--health-port", str(port), env={"BOOKBOT_DATABASE_TIMEOUT_SECONDS": "1"})
    worker.wait_for_event("worker.started")
    database.wait_until_ended([database.add("effect")])
    eventually(lambda: figure(port, "bookbot_jobs_ended_total", job_type="effect", state="completed") == 1)
    eventually(lambda: figure(port, "bookbot_database_up") == 1)
    well = scrape(port)
    assert (well.get("bookbot_database_up"), well.get("bookbot_worker_ready")) == (1, 1)
    assert well.get("bookbot_worker_database_outages_total") == 0

    away(durable)
    eventually(lambda: readiness(port)[0] == 503)
    assert "the database does not serve: " in readiness(port)[1]["reason"]
    eventually(lambda: figure(port, "bookbot_database_up") == 0)
    asked_at = time.monotonic()
    ill = scrape(port)
    assert time.monotonic() - asked_at < IN_TIME
    assert ill.get("bookbot_worker_ready") == 0
    assert ill.get("bookbot_worker_database_outages_total") == 1
    assert (ill.get("bookbot_worker_database_failures_total") or 0) >= 1
    assert ill.get("bookbot_queue_ready_jobs", queue="default") is None  # nobody knows
    assert ill.get("bookbot_jobs_ended_total", job_type="effect", state="completed") == 1

    durable.heal()
    eventually(lambda: readiness(port)[0] == 200, 30)
    eventually(lambda: figure(port, "bookbot_database_up") == 1)
    database.wait_until_ended([database.add("effect")])
    assert scrape(port).get("bookbot_worker_database_outages_total") == 1
