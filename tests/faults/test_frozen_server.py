"""The server answers nobody while TCP says that all is well: calls end in time, and nobody is taken for dead."""

import time
from collections.abc import Callable

import pytest

from shared.settings import Settings
from tests.faults.database import Database
from tests.faults.trouble import AtWork, never, rescued, seconds_until_it_works, wait_until_they_wait
from tests.support.chaos_proxy import ChaosProxy
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]


def test_a_server_that_is_frozen_for_a_moment_goes_unnoticed(
    durable: DurableServer, database: Database, fleet: Fleet
) -> None:
    """For less than a call may last: only beats are missed, which are given less time."""
    fleet.start_many(2)
    jobs = AtWork.begin(database)
    durable.pause()
    never(lambda: not all(worker.is_alive for worker in fleet.workers), 1)
    durable.resume()
    with watch(database.engine, idle_seconds=None):
        jobs.go()
        database.wait_until_ended([*jobs.ids, other := database.add("effect")])
    jobs.check_untouched()
    assert not rescued(fleet)
    assert not [worker for worker in fleet.workers if worker.events("database.unreachable")]
    check(database.engine, ids=[*jobs.ids, other])


def test_a_server_that_is_frozen_for_longer_loses_no_job_and_nobody_is_rescued(
    durable: DurableServer, database: Database, fleet: Fleet, figures: Figures
) -> None:
    """For longer than a call may last, and than the lease. Only the job that was in a call runs again."""
    fleet.start_many(2)
    jobs = AtWork.begin(database)
    asking = database.add("sends_sql", {"times": 1, "sql": ["SELECT pg_sleep(30)"]})
    eventually(lambda: [one for one in durable.backends("bookbot-worker%") if one.waits_for == "PgSleep"])
    durable.pause()
    for worker in fleet.workers:
        told = worker.wait_for_event("database.unreachable")
        assert told["reason"] in ("the database did not answer within 3 s", "connection timeout expired")
        worker.wait_for_event("worker.cannot_work")
    durable.resume()
    with watch(database.engine, idle_seconds=None):  # two of the jobs keep their transactions open, as they should
        figures("first new job done after a server was frozen for 4 s", seconds_until_it_works(database))
        jobs.go()
        database.wait_until_ended([*jobs.ids, asking])
    jobs.check_untouched()
    assert (database.row(asking).attempt, database.row(asking).interruptions, database.starts(asking)) == (2, 1, 2)
    assert not rescued(fleet)
    check(database.engine, ids=[*jobs.ids, asking])


def test_a_worker_that_alone_is_cut_off_loses_its_jobs_and_changes_nothing_when_it_is_back(
    database: Database, fleet: Fleet, proxy: ChaosProxy, proxied: Settings, figures: Figures
) -> None:
    cut_off = fleet.start(settings=proxied)
    cut_off.wait_for_event("worker.started")
    jobs = AtWork.begin(database)
    other = fleet.start()
    other.wait_for_event("worker.started")
    proxy.stall()
    stalled_at = time.monotonic()
    with watch(database.engine, idle_seconds=None):  # the transaction that was cut off stays open
        for job_id in jobs.ids:
            database.wait_for_start(job_id, 2)
        figures("jobs of a worker that is cut off, run again after (lease 2 s)", time.monotonic() - stalled_at)
        jobs.go()
        database.wait_until_ended(jobs.ids)
        ended = {name: (job.claim_id, job.completed_at, job.attempt) for name, job in jobs.rows().items()}
        for job_id in jobs.ids:
            eventually(lambda job_id=job_id: database.witness.count("end", job_id) == 2)
        cut_off.wait_for_event("worker.cannot_work")  # else the rest was quicker than one of its calls gives up
        proxy.passing()
        cut_off.wait_for_event("worker.works_again")
        for job_id in jobs.ids:
            cut_off.wait_for_event("job.lost_claim", job_id=job_id)
        database.wait_until_ended(more := database.add_many(20, "effect"))
    assert {name: (job.claim_id, job.completed_at, job.attempt) for name, job in jobs.rows().items()} == ended
    assert {(job.state, job.attempt, job.losses) for job in jobs.rows().values()} == {("completed", 2, 1)}
    check(database.engine, ids=[*jobs.ids, *more])


def test_of_two_workers_that_were_cut_off_the_first_one_back_lets_the_other_live(
    durable: DurableServer, database: Database, fleet: Fleet
) -> None:
    """The server itself was never away, so only its own silence tells a worker that the others may live."""
    url = database.settings.database_url.get_secret_value()
    lease = {"BOOKBOT_LEASE_SECONDS": "4"}
    with ChaosProxy(durable.port) as early, ChaosProxy(durable.port) as late:
        workers = [fleet.start(env={"DATABASE_URL": proxy.url(url), **lease}) for proxy in (early, late)]
        for worker in workers:
            worker.wait_for_event("worker.started")
        ids = database.add_many(14, "effect", {"until": "go"})
        wait_until_they_wait(database, ids)
        before = runs(database, ids)  # on a machine that stands still for seconds, a job may have begun twice by now
        for proxy in (early, late):
            proxy.refuse()
            proxy.reset()
        with watch(database.engine):
            eventually(lambda: silence(database) > 4.2)
            early.passing()
            workers[0].wait_for_event("beat.back")
            never(lambda: rescued(fleet), 1)
            late.passing()
            workers[1].wait_for_event("beat.back")
            never(lambda: rescued(fleet), 0.5)
            database.witness.add("go")
            database.wait_until_ended(ids)
    assert runs(database, ids) == before
    check(database.engine, ids=ids)


def runs(database: Database, job_ids: list[str]) -> dict[str, tuple[int, int]]:
    """The attempt of each job, and how often it was started."""
    return {job_id: (database.row(job_id).attempt, database.starts(job_id)) for job_id in job_ids}


def silence(database: Database) -> float:
    """Seconds since the last beat of any worker."""
    with database.engine.connect() as connection:
        query = "SELECT extract(epoch FROM clock_timestamp() - max(heartbeat_at)) FROM workers"
        return float(connection.exec_driver_sql(query).scalar_one())
