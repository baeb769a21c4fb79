"""PostgreSQL as it is found in bad times: each way to break it is a block, and mended at its end."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from bookbot_worker.cli.checks import vacuum
from shared import schema
from shared.database import make_engine
from shared.settings import load_settings
from tests.support.durable import DurableServer, durable_server
from tests.support.running import eventually

MOST = 24
"""Connections of the server, three of them kept for superusers."""

SETTINGS = {
    "max_connections": MOST,
    "wal_level": "logical",
    "max_prepared_transactions": 4,
    "archive_mode": "on",
    "archive_command": "true",
}
TEMPLATE = "migrated"
DEAD = 60_000
A_JOB = "INSERT INTO jobs (job_id, job_type, props) SELECT gen_random_uuid(), 'demo', '{}' FROM generate_series(1, %d)"


@contextlib.contextmanager
def breakable_server() -> Iterator[DurableServer]:
    """A durable server, in good health, on which all of this can be done; with a migrated database to be cloned."""
    with durable_server() as server:
        for name, value in SETTINGS.items():
            server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        server.stop()
        server.start()
        engine = make_engine(load_settings(database_url=server.create_database(TEMPLATE)))
        schema.upgrade(engine)
        engine.dispose()
        yield server


@contextlib.contextmanager
def setting(server: DurableServer, name: str, value: str) -> Iterator[None]:
    """The server runs with another value of a setting."""
    [[before]] = server.execute(f"SHOW {name}")
    set_now(server, name, value)
    try:
        yield
    finally:
        set_now(server, name, before)


def set_now(server: DurableServer, name: str, value: object) -> None:
    """Change the server's configuration, and wait until new sessions have it."""
    server.execute(f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
    eventually(lambda: server.execute(f"SHOW {name}") == [(value,)])


@contextlib.contextmanager
def dead_rows(server: DurableServer, database: str, count: int = DEAD) -> Iterator[None]:
    """Autovacuum is off, and that many jobs were deleted."""
    with setting(server, "autovacuum", "off"):
        leave_dead_rows(server, database, count)
        yield


def leave_dead_rows(server: DurableServer, database: str, count: int) -> None:
    """Delete that many jobs, and wait until the server's figures say so."""
    server.execute(A_JOB % count, "DELETE FROM jobs", database=database)
    figure = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'jobs'"
    eventually(lambda: server.execute(figure, database=database) >= [(count,)])


@contextlib.contextmanager
def forgotten_transaction(server: DurableServer, database: str) -> Iterator[int]:
    """A program has read, and then gone to lunch; the pid of its session. What is old counts from now on."""
    program = psycopg.connect(server.url(database), application_name="report")
    program.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(program):
        program.execute("SELECT count(*) FROM jobs")
        patch.setattr(vacuum, "OLD", 0.0)
        yield program.info.backend_pid


@contextlib.contextmanager
def slot_without_reader(server: DurableServer, database: str) -> Iterator[None]:
    """The reader of a replication slot is gone, and the server has written since."""
    server.execute("SELECT pg_create_logical_replication_slot('warehouse', 'pgoutput')", database=database)
    try:
        server.execute("SELECT pg_switch_wal()", A_JOB % 1000, database=database)
        yield
    finally:
        server.execute("SELECT pg_drop_replication_slot('warehouse')", database=database)


@contextlib.contextmanager
def nothing_is_flushed(server: DurableServer, database: str) -> Iterator[None]:
    """Somebody wanted it faster, for the server and for this database."""
    server.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    with setting(server, "fsync", "off"):
        yield


@contextlib.contextmanager
def hardly_a_connection_left(server: DurableServer, database: str, left: int = 2) -> Iterator[None]:
    """Clients have taken all the others."""
    with contextlib.ExitStack() as stack:
        for _ in range(MOST - 3 - left):
            stack.enter_context(psycopg.connect(server.url(database), application_name="client"))
        yield
