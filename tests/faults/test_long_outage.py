"""The database is away for longer than anybody's lease: afterwards the living do not look dead to each other."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from shared.settings import Settings
from tests.faults.database import Database
from tests.faults.trouble import AtWork, never, readiness, rescued, wait_until_they_wait
from tests.support.chaos_proxy import ChaosProxy
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.postgres import free_port
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]

LEASE = 4.0
"""Seconds; longer than that of other tests, so that the second worker can be late and yet in time."""


def test_an_outage_longer_than_the_lease_takes_no_job_from_a_living_worker(
    durable: DurableServer,
    database: Database,
    fleet: Fleet,
    proxy: ChaosProxy,
    proxied: Settings,
    figures: Figures,
) -> None:
    """Jobs that end meanwhile have ended; one that runs on runs on; nobody is rescued by the first one back."""
    port = free_port()
    first = fleet.start("--health-port", str(port), env={"BOOKBOT_LEASE_SECONDS": str(LEASE)})
    second = fleet.start(settings=proxied, env={"BOOKBOT_LEASE_SECONDS": str(LEASE)})
    for worker in fleet.workers:
        worker.wait_for_event("worker.started")
    first.freeze()
    jobs = AtWork.begin(database)
    first.cont()
    running_on = database.add_many(12, "effect", {"until": "later"})  # more than the second has room for
    wait_until_they_wait(database, running_on)
    assert readiness(port)[0] == 200

    with watch(database.engine):
        durable.stop("fast")
        away_at = time.monotonic()
        proxy.refuse()
        for worker in fleet.workers:
            assert worker.wait_for_event("database.unreachable")["reason"]
            assert "the database does not serve: " in worker.wait_for_event("worker.cannot_work")["reason"]
        status, told = readiness(port)
        assert (status, told["status"]) == (503, "not ready")
        assert "the database does not serve: " in told["reason"]
        jobs.go()
        for job_id in jobs.ids:
            eventually(lambda job_id=job_id: database.witness.count("end", job_id))
        never(lambda: database.starts(jobs.sent) > 1, away_at + LEASE + 1 - time.monotonic())
        durable.restart()
        back_at = time.monotonic()
        first.wait_for_event("beat.back")
        never(lambda: rescued(fleet), 1)
        assert {database.row(job_id).state for job_id in jobs.ids} == {"running"}
        proxy.passing()
        database.wait_until_ended(jobs.ids)
        figures("jobs that ended in an outage of 5 s, settled after", time.monotonic() - back_at)
        for worker in fleet.workers:
            worker.wait_for_event("database.back")
            worker.wait_for_event("worker.works_again")
        eventually(lambda: readiness(port)[0] == 200)
        assert {database.row(job_id).state for job_id in running_on} == {"running"}
        database.witness.add("later")
        database.wait_until_ended(running_on)

    jobs.check_after_loss_of_connections()
    assert {(database.row(job_id).attempt, database.starts(job_id)) for job_id in running_on} == {(1, 1)}
    assert not rescued(fleet)
    assert second.is_alive
    check(database.engine, ids=[*jobs.ids, *running_on])


def test_a_worker_that_cannot_beat_starts_no_job_though_it_could_claim_one(database: Database, fleet: Fleet) -> None:
    port = free_port()
    worker = fleet.start("--health-port", str(port))
    worker.wait_for_event("worker.started")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE workers SET name = name"))  # the row is locked; beats wait for it, in vain
        worker.wait_for_event("beat.missed")
        worker.wait_for_event("worker.cannot_work")
        status, told = readiness(port)
        assert (status, told["reason"].partition(" for ")[0]) == (503, "no beat has reached the database")
        job = database.add("effect")
        never(lambda: database.starts(job), 1.5)
        assert database.row(job).state == "waiting"
    database.wait_until_ended([job])
    worker.wait_for_event("beat.back")
    assert worker.wait_for_event("worker.works_again")
    eventually(lambda: readiness(port)[0] == 200)
    check(database.engine, ids=[job])


def test_a_worker_that_cannot_beat_loses_its_jobs_to_one_that_can(database: Database, fleet: Fleet) -> None:
    """Only its row is locked: for everybody else this is a worker that died. It must not finish what it runs."""
    [deaf, other] = fleet.start_many(2)
    deaf_id = deaf.wait_for_event("worker.started")["worker_id"]
    other.freeze()
    jobs = [database.add("effect", {"until": "go"}), database.add("writes_early", {"until": "go"})]
    wait_until_they_wait(database, jobs)
    other.cont()
    with watch(database.engine), database.engine.begin() as connection:
        connection.execute(text("UPDATE workers SET name = name WHERE worker_id = :id"), {"id": deaf_id})
        for job_id in jobs:
            database.wait_for_start(job_id, 2)
        database.witness.add("go")
        database.wait_until_ended(jobs)
    rows = [database.row(job_id) for job_id in jobs]
    assert [(row.state, row.attempt, row.losses) for row in rows] == [("completed", 2, 1)] * 2
    check(database.engine, ids=jobs)
