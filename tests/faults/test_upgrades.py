"""The schema is older, newer, or changes while workers run: they refuse with one sentence, or go on; no job is lost."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import psycopg
import pytest
from alembic import command
from sqlalchemy import text

from shared import schema
from tests.faults.database import Database
from tests.faults.trouble import rescued, wait_until_they_wait
from tests.support.docs import ROOT
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]

LATER = "9999"
"""A revision of a version that is still to come."""


def newer(database: Database, oldest_worker: str) -> None:
    """A later version has migrated, and says how old a worker may be."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :later"), {"later": LATER})
        connection.execute(text("UPDATE schema_info SET oldest_worker = :oldest"), {"oldest": oldest_worker})


def downgrade(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        command.downgrade(schema._config(connection), revision)


def start_upgrade(database: Database) -> subprocess.Popen[str]:
    url = database.settings.database_url.get_secret_value()
    upgrade = [sys.executable, "-m", "bookbot_worker", "db", "upgrade"]
    return subprocess.Popen(upgrade, env={**os.environ, "DATABASE_URL": url}, cwd=ROOT, text=True, stdout=-1, stderr=-2)


def refusal(worker: Worker) -> str:
    """The one line of a worker that will not start."""
    assert worker.exit_code() == 78
    [line] = worker.log.read_text().splitlines()
    return line


def test_a_worker_refuses_a_database_without_tables(durable: DurableServer, fleet: Fleet) -> None:
    url = durable.create_database("empty")
    try:
        line = refusal(fleet.start(env={"DATABASE_URL": url}))
        assert "no BookBot tables yet; run: bookbot-worker db upgrade" in line
    finally:
        durable.execute("DROP DATABASE empty WITH (FORCE)")


def test_a_worker_refuses_an_older_schema_and_works_when_it_was_upgraded_by_two_at_once(
    database: Database, fleet: Fleet
) -> None:
    """Jobs that were enqueued before are done after it."""
    ids = database.add_many(20, "effect")
    downgrade(database, "0001")
    assert refusal(fleet.start()).endswith(
        f"the database is at 0001, this version needs {schema.head()}; run: bookbot-worker db upgrade"
    )
    upgrades = [start_upgrade(database) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].strip() for process in upgrades]
    assert [process.returncode for process in upgrades] == [0, 0], said
    assert f"{schema.head()} (was 0001)" in said
    fleet.start()
    database.wait_until_ended(ids)
    assert {(database.row(job_id).state, database.row(job_id).attempt) for job_id in ids} == {("completed", 1)}
    check(database.engine, ids=ids)


def test_a_worker_refuses_a_schema_that_asks_for_newer_ones(database: Database, fleet: Fleet) -> None:
    newer(database, oldest_worker=LATER)
    assert "newer than this version knows" in refusal(fleet.start())


def test_a_worker_works_on_a_newer_schema_that_lets_it(database: Database, fleet: Fleet) -> None:
    newer(database, oldest_worker=schema.head())
    worker = fleet.start()
    database.wait_until_ended([job := database.add("effect")])
    assert worker.is_alive
    check(database.engine, ids=[job])


def test_a_worker_that_has_become_too_old_finishes_what_it_runs_and_asks_to_be_replaced(
    database: Database, fleet: Fleet
) -> None:
    worker = fleet.start("--concurrency", "2")
    worker.wait_for_event("worker.started")
    running = [database.add("effect", {"until": "go"}), database.add("writes_early", {"until": "go"})]
    wait_until_they_wait(database, running)
    newer(database, oldest_worker=LATER)
    assert worker.wait_for_event("worker.outdated")["needed"] == LATER
    waiting = database.add("effect")
    database.witness.add("go")
    assert worker.exit_code() == 78
    assert {(database.row(job_id).state, database.row(job_id).attempt) for job_id in running} == {("completed", 1)}
    assert database.row(waiting).state == "waiting"
    check(database.engine, ids=[*running, waiting], all_terminal=False)


def test_a_migration_passes_through_workers_that_are_busy(database: Database, fleet: Fleet, figures: Figures) -> None:
    """First one that they may outlive, then one that ends them; what is left is for their successors."""
    fleet.start_many(2, "--concurrency", "3")
    books = [database.add_book() for _ in range(6)]

    def add_some(seconds: float) -> list[str]:
        of_books = [database.add("book_effect", {"seconds": seconds}, book_id=book) for book in books * 3]
        return [*database.add_many(40, "effect", {"seconds": seconds}), *of_books]

    with watch(database.engine):
        ids = add_some(0.01)
        eventually(lambda: database.witness.count("end") > 30)
        more = add_some(0.01)
        figures("seconds a migration took beside two busy workers", migrate(database, schema.head()))
        assert database.witness.count("end") < len(ids) + len(more)
        database.wait_until_ended(ids := ids + more, 60)
        assert all(worker.is_alive for worker in fleet.workers)
        ids += add_some(0.1)
        newer(database, oldest_worker=LATER)
        assert [worker.exit_code() for worker in fleet.workers] == [78, 78]
        assert {database.row(job_id).state for job_id in ids} == {"completed", "waiting"}
        newer(database, oldest_worker=schema.head())
        fleet.start_many(2)
        database.wait_until_ended(ids, 60)
    rows = [database.row(job_id) for job_id in ids]
    assert {(row.state, row.attempt - row.interruptions, row.losses) for row in rows} == {("completed", 1, 0)}
    assert not rescued(fleet)
    check(database.engine, ids=ids)


def test_a_job_whose_prepared_statement_no_longer_fits_the_schema_runs_again(database: Database, fleet: Fleet) -> None:
    """The server refuses to run it: "cached plan must not change result type"."""
    fleet.start("--concurrency", "1")
    book = database.add_book()
    database.wait_until_ended(before := database.add_many(10, "book_effect", book_id=book))
    migrate(database, schema.head())
    database.wait_until_ended(after := database.add_many(3, "book_effect", book_id=book))
    assert {database.row(job_id).state for job_id in (*before, *after)} == {"completed"}
    assert database.row(after[0]).interruptions == 1
    check(database.engine, ids=[*before, *after])


def migrate(database: Database, oldest_worker: str) -> float:
    """Changes of the tables that are used most, as a later version might make them; returns how long it took.

    A new type of a column makes every statement fail that was prepared to return the old one.
    """
    started = time.monotonic()
    url = database.settings.database_url.get_secret_value()

    def attempt() -> bool:
        with psycopg.connect(url, application_name="migration") as connection:
            try:
                connection.execute("SET LOCAL lock_timeout = '3s'")
                connection.execute("ALTER TABLE jobs ADD COLUMN of_a_later_version text")
                connection.execute("ALTER TABLE jobs ALTER COLUMN progress_message TYPE varchar(100000)")
                connection.execute("ALTER TABLE books ALTER COLUMN title TYPE text")
                connection.execute("UPDATE alembic_version SET version_num = %s", [LATER])
                connection.execute("UPDATE schema_info SET oldest_worker = %s", [oldest_worker])
            except psycopg.errors.LockNotAvailable:
                connection.rollback()
                return False
        return True

    eventually(attempt, 60)
    return time.monotonic() - started
