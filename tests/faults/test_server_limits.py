"""The server takes no writes, lets nobody in, or cuts off who takes too long; and then it does not any more."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from pydantic import SecretStr

from shared.settings import Settings
from tests.faults.database import Database
from tests.faults.trouble import AtWork, never, rescued, seconds_until_it_works
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]


@pytest.fixture
def role(durable: DurableServer, database: Database) -> Iterator[str]:
    """A role for workers that may do what they must, and is bound by limits as the owner of a server is not."""
    name = f"of_{database.engine.url.database}"
    grants = [
        f"GRANT ALL ON {kind} IN SCHEMA public TO {name}" for kind in ("ALL TABLES", "ALL SEQUENCES", "ALL FUNCTIONS")
    ]
    durable.execute(f"CREATE ROLE {name} LOGIN", *grants, database=str(database.engine.url.database))
    yield name
    durable.heal()
    durable.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}", database=str(database.engine.url.database))


@pytest.fixture
def limited(database: Database, role: str) -> Settings:
    """The settings of `database`, for `role`."""
    url = database.settings.database_url.get_secret_value().replace("//test@", f"//{role}@")
    return database.settings.model_copy(update={"database_url": SecretStr(url)})


@pytest.mark.parametrize("how", ["for all sessions", pytest.param("for new sessions", marks=pytest.mark.slow_faults)])
def test_a_database_that_takes_no_writes_stops_the_workers_until_it_does(
    durable: DurableServer, database: Database, fleet: Fleet, figures: Figures, how: str
) -> None:
    name = database.engine.url.database
    read_only = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    writable = f"ALTER DATABASE {name} RESET default_transaction_read_only"
    if how == "for all sessions":
        read_only, writable = "ALTER SYSTEM SET default_transaction_read_only = on", "ALTER SYSTEM RESET ALL"
    workers = fleet.start_many(2)
    jobs = AtWork.begin(database)
    durable.execute(read_only, "SELECT pg_reload_conf()")
    if how == "for new sessions":
        durable.terminate_all("bookbot-worker%")
    for worker in workers:
        eventually(lambda worker=worker: "read-only" in str(worker.events("database.unreachable")))
        worker.wait_for_event("worker.cannot_work")
    never(lambda: any(database.starts(job_id) > 1 for job_id in jobs.ids), 1)
    durable.execute("SET default_transaction_read_only = off", writable, "SELECT pg_reload_conf()")
    eventually(lambda: durable.execute("SHOW default_transaction_read_only", database=str(name)) == [("off",)])
    with watch(database.engine, idle_seconds=None):  # two of the jobs keep their transactions open, as they should
        figures(f"first new job done after read-only {how}", seconds_until_it_works(database))
        jobs.go()
        database.wait_until_ended(jobs.ids)
    found = {name: (job.state, job.losses) for name, job in jobs.rows().items()}
    assert set(found.values()) == {("completed", 0)}
    assert [database.starts(job_id) for job_id in (jobs.kept, jobs.quiet, jobs.reading)] == [1, 1, 1]
    assert not rescued(fleet)
    check(database.engine, ids=jobs.ids)


def test_a_worker_that_is_let_in_nowhere_waits_and_comes_back(
    durable: DurableServer, database: Database, fleet: Fleet, role: str, limited: Settings, figures: Figures
) -> None:
    worker = fleet.start(settings=limited)
    worker.wait_for_event("worker.started")
    jobs = AtWork.begin(database)
    durable.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    durable.terminate_all("bookbot-worker%")
    assert "too many connections" in worker.wait_for_event("database.unreachable", tries=2)["reason"]
    worker.wait_for_event("worker.cannot_work")
    jobs.go()
    never(lambda: not worker.is_alive or database.starts(jobs.sent) > 1, 1)
    durable.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    with watch(database.engine):
        figures("first new job done after the server was out of connections", seconds_until_it_works(database))
        database.wait_until_ended(jobs.ids)
    jobs.check_after_loss_of_connections()
    check(database.engine, ids=jobs.ids)


def test_a_server_whose_connections_others_have_taken_still_serves_those_it_has(
    database: Database, fleet: Fleet, limited: Settings
) -> None:
    """Beats and settles go over connections that are there; what needs one more, waits."""
    worker = fleet.start("--concurrency", "1", settings=limited)
    worker.wait_for_event("worker.started")
    database.wait_until_ended(before := database.add_many(10, "effect"))
    taken: list[psycopg.Connection] = []
    try:
        with pytest.raises(psycopg.OperationalError, match="connection slots"):  # noqa: PT012 - which one is refused
            while True:
                taken.append(psycopg.connect(limited.database_url.get_secret_value()))
        with watch(database.engine):
            database.wait_until_ended(during := database.add_many(10, "effect"))
        assert worker.is_alive
    finally:
        for connection in taken:
            connection.close()
    database.wait_until_ended(after := database.add_many(10, "effect"))
    assert {database.row(job_id).attempt for job_id in (*before, *during, *after)} == {1}
    check(database.engine, ids=[*before, *during, *after])
