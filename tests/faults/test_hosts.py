"""Workers on hosts of their own, one PostgreSQL: they share the work, survive one that is cut off, restart in turn.

The hosts are network namespaces with their own pids, so that nothing but the database tells the workers of each other.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared import schema
from shared.database import make_engine
from shared.models import Worker as WorkerRow
from shared.settings import Settings, load_settings
from tests.faults.database import Database
from tests.support.durable import DurableServer, durable_server
from tests.support.fault_options import on_failure
from tests.support.fleet import Fleet, Worker
from tests.support.hosts import NETWORK, Host, gateway, hosts, signal_on_host
from tests.support.invariants import check, watch
from tests.support.running import eventually
from tests.support.witness import Witness

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow_faults,
    pytest.mark.xdist_group("hosts"),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

Figures = Callable[[str, float], None]
Start = Callable[..., Worker]


@pytest.fixture(scope="module")
def wire() -> Iterator[list[Host]]:
    """Eight hosts."""
    with hosts(8) as made:
        yield made


@pytest.fixture(scope="module")
def server(wire: list[Host]) -> Iterator[DurableServer]:
    """A PostgreSQL that they can reach, with a migrated database to be cloned."""
    assert wire
    with durable_server() as server:
        server.listen_also_on(gateway(), f"{NETWORK}.0/24")
        engine = make_engine(load_settings(database_url=server.create_database("migrated")))
        schema.upgrade(engine)
        engine.dispose()
        yield server


@pytest.fixture
def database(server: DurableServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database on it."""
    name = f"test_{abs(hash(request.node.name)) % 10**9}"
    settings = load_settings(database_url=server.create_database(name, "migrated"))
    engine = make_engine(settings, application="fault-test")
    yield Database(settings, engine, Witness(tmp_path / "witness"))
    engine.dispose()
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def start(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts a worker on a host, and waits until it works; its database is at the end of the wire."""
    fleet = Fleet(database.settings, tmp_path)
    on_failure(request.node, "worker logs", fleet.tails)
    settings = through_the_wire(database.settings)

    def run(host: Host, *options: str, env: dict[str, str] | None = None) -> Worker:
        worker = fleet.start(*options, settings=settings, env=env, under=host.under)
        worker.wait_for_event("worker.started", 60)
        return worker

    yield run
    fleet.close()


def through_the_wire(settings: Settings) -> Settings:
    url = settings.database_url.get_secret_value().replace("127.0.0.1", gateway())
    return settings.model_copy(update={"database_url": SecretStr(url)})


def claims_of(worker: Worker) -> int:
    return sum(event["count"] for event in worker.events("job.claimed"))


def test_jobs_spread_over_the_hosts(wire: list[Host], start: Start, database: Database) -> None:
    workers = [start(host, "--concurrency", "5") for host in wire[:4]]
    with Session(database.engine) as session:
        assert set(session.scalars(select(WorkerRow.hostname))) == {host.name for host in wire[:4]}
    ids = database.add_many(200, "effect", {"seconds": 0.3})
    database.wait_until_ended(ids, 120)
    shares = [claims_of(worker) for worker in workers]
    assert sum(shares) == 200
    assert min(shares) >= 20, shares
    check(database.engine, ids=ids)


def test_a_host_that_is_cut_off_loses_its_jobs_to_the_others_and_works_again_when_it_is_back(
    wire: list[Host], start: Start, database: Database, figures: Figures
) -> None:
    """Its worker lives on, and finishes what it ran; nothing of that counts."""
    lonely = start(wire[0], "--concurrency", "3")
    ids = database.add_many(3, "effect", {"until": "go"})
    for job_id in ids:
        database.wait_for_start(job_id)
    others = [start(host, "--concurrency", "3") for host in wire[1:3]]
    with watch(database.engine, idle_seconds=None):
        wire[0].cut_off()
        cut_at = time.monotonic()
        for job_id in ids:
            database.wait_for_start(job_id, times=2, seconds=60)
        figures("seconds from the cut of a host to the last of its jobs running elsewhere", time.monotonic() - cut_at)
        lonely.wait_for_event("worker.cannot_work", 60)
        database.witness.add("go")  # both runs of each job go on to their ends
        database.wait_until_ended(ids, 60)
        assert lonely.is_alive
        wire[0].plug_in()
        lonely.wait_for_event("worker.works_again", 60)
    rows = [database.row(job_id) for job_id in ids]
    assert {(row.state, row.attempt, row.losses) for row in rows} == {("completed", 2, 1)}
    for other in others:
        signal_on_host(other, signal.SIGTERM)
        assert other.exit_code() == 0
    before = claims_of(lonely)
    later = database.add_many(5, "effect")
    database.wait_until_ended(later, 60)
    assert claims_of(lonely) == before + 5
    check(database.engine, ids=[*ids, *later])


def test_a_rolling_restart_under_load_loses_no_job_and_counts_no_attempt(
    wire: list[Host], start: Start, database: Database, figures: Figures
) -> None:
    serving = {host.name: start(host, "--concurrency", "4") for host in wire[:3]}
    ids: list[str] = []
    is_over = threading.Event()

    def enqueue() -> None:
        while not is_over.wait(0.1):
            ids.extend(database.add_many(3, "effect", {"seconds": 0.2}))

    load = threading.Thread(target=enqueue)
    with watch(database.engine):
        load.start()
        try:
            began = time.monotonic()
            for _ in range(2):
                for host in wire[:3]:
                    eventually(lambda host=host: claims_of(serving[host.name]) > 3)
                    signal_on_host(serving[host.name], signal.SIGTERM)
                    assert serving[host.name].exit_code(60) == 0
                    serving[host.name] = start(host, "--concurrency", "4")
            figures("seconds for six restarts one after the other under load", time.monotonic() - began)
        finally:
            is_over.set()
            load.join()
        database.wait_until_ended(ids, 120)
    figures("jobs done meanwhile", len(ids))
    rows = [database.row(job_id) for job_id in ids]
    assert {(row.state, row.attempt, row.losses, row.interruptions) for row in rows} == {("completed", 1, 0, 0)}
    check(database.engine, ids=ids)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_more_workers_do_more_of_what_waits(
    wire: list[Host], start: Start, database: Database, figures: Figures, count: int
) -> None:
    """Figures only: jobs that wait half a second, as for a model, and jobs that only write, ten threads a worker."""
    threads = [threading.Thread(target=start, args=(host,)) for host in wire[:count]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind, props, number in (("wait 0.5 s", {"seconds": 0.5}, 60 * count), ("only write", {}, 400)):
        began = time.monotonic()
        ids = database.add_many(number, "effect", props)
        database.wait_until_ended(ids, 200)
        figures(f"jobs a second that {kind}, {count} workers", number / (time.monotonic() - began))
    check(database.engine, ids=ids)
