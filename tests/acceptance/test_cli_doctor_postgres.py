"""`doctor` on a PostgreSQL that is broken in each of the ways it knows: really broken, and then mended."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from bookbot_worker.cli.checks import foundations, keeping, vacuum
from bookbot_worker.cli.checks import server as checks_of_server
from bookbot_worker.cli.main import main
from shared.database import make_engine
from shared.grants import grants
from shared.settings import load_settings
from tests.support import broken_servers
from tests.support.broken_servers import MOST, TEMPLATE, breakable_server, leave_dead_rows, setting
from tests.support.docs import ROOT, blocks
from tests.support.doctoring import doctor, live_worker
from tests.support.durable import DurableServer
from tests.support.pooler import pooler
from tests.support.postgres import execute
from tests.support.running import eventually

Breakage = Callable[[DurableServer, str], AbstractContextManager[object]]

PAGE = ROOT / "docs" / "operations.md"
SET_UPS: tuple[Breakage, ...] = (
    broken_servers.dead_rows,
    broken_servers.forgotten_transaction,
    broken_servers.slot_without_reader,
    broken_servers.nothing_is_flushed,
    broken_servers.hardly_a_connection_left,
)
"""In the order of the page."""

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("broken-postgres")]


@pytest.fixture(scope="module")
def server() -> Iterator[DurableServer]:
    """One for the whole file; a test mends what it has broken."""
    with breakable_server() as server:
        yield server


@pytest.fixture
def database(server: DurableServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a fresh database, which is that of the environment; a worker serves it, and all is well."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("DATABASE_URL", server.create_database(name, TEMPLATE))
    engine = make_engine(load_settings())
    live_worker(engine)
    engine.dispose()
    yield name
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def findings(code: int = 0) -> dict[str, Any]:
    return doctor(code, is_durable=True)


def one(found: dict[str, Any], check: str) -> tuple[str, str]:
    """The only finding: what it says, and what it advises."""
    assert set(found) == {check}
    assert found[check]["level"] == "warn"
    return found[check]["detail"], found[check]["advice"]


@pytest.mark.usefixtures("database")
def test_on_a_server_in_good_health_all_is_well() -> None:
    assert findings() == {}


def test_dead_rows_while_autovacuum_is_off(server: DurableServer, database: str) -> None:
    with broken_servers.dead_rows(server, database):
        found = findings()
        assert set(found) == {"dead rows", "autovacuum"}
        assert "jobs has 60000 dead rows beside 0 live ones, and was never vacuumed" in found["dead rows"]["detail"]
        assert found["autovacuum"]["advice"].startswith("ALTER SYSTEM SET autovacuum = on;")
        server.execute("VACUUM jobs", database=database)
        eventually(lambda: set(findings()) == {"autovacuum"})


@pytest.mark.usefixtures("database")
def test_counting_that_is_off_keeps_autovacuum_from_coming(server: DurableServer) -> None:
    with setting(server, "track_counts", "off"):
        assert "the server has track_counts = off" in one(findings(), "autovacuum")[0]


def test_a_table_that_is_kept_from_autovacuum(server: DurableServer, database: str) -> None:
    server.execute("ALTER TABLE job_logs SET (autovacuum_enabled = off)", database=database)
    detail, advice = one(findings(), "autovacuum")
    assert detail == "off for job_logs"
    server.execute(advice, database=database)
    assert findings() == {}


def test_a_table_that_autovacuum_does_not_come_to(
    server: DurableServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(server.url(database)) as holder:
        holder.execute("LOCK TABLE jobs IN SHARE UPDATE EXCLUSIVE MODE")
        leave_dead_rows(server, database, 20_000)
        assert findings() == {}  # it has not been long
        monkeypatch.setattr(vacuum, "LONG_AGO", 0.0)
        assert "20000 rows of jobs are dead" in one(findings(), "autovacuum")[0]


def test_a_transaction_that_was_forgotten(server: DurableServer, database: str) -> None:
    with broken_servers.forgotten_transaction(server, database) as pid:
        detail, advice = one(findings(), "old snapshots")
        assert detail.startswith(f"session {pid} (report, idle in transaction) is in one transaction for")
        server.execute(advice.removeprefix("end what it does, or: "))
        eventually(lambda: findings() == {})


def test_a_transaction_that_only_holds_locks_and_one_that_only_writes(
    server: DurableServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither has a snapshot any more."""
    monkeypatch.setattr(vacuum, "OLD", 0.0)
    for statement in ("LOCK TABLE jobs IN ACCESS SHARE MODE", "UPDATE workers SET pid = 1"):
        with psycopg.connect(server.url(database)) as holder:
            holder.execute(statement.encode())
            assert str(holder.info.backend_pid) in one(findings(), "old snapshots")[0]
        assert findings() == {}


def test_a_transaction_that_was_prepared_and_forgotten(
    server: DurableServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(server.url(database)) as other:
        other.execute("UPDATE workers SET pid = 1")
        other.execute("PREPARE TRANSACTION 'it''s mine'")
    assert findings() == {}  # it is not old
    monkeypatch.setattr(vacuum, "OLD", 0.0)
    detail, advice = one(findings(), "prepared transactions")
    assert detail.startswith("'it''s mine' of test is ")
    server.execute(advice.rpartition(", or ")[2], database=database)
    assert findings() == {}


@pytest.mark.parametrize(
    "make", ["pg_create_physical_replication_slot('x', true)", "pg_create_logical_replication_slot('x', 'pgoutput')"]
)
def test_a_slot_that_nobody_reads(server: DurableServer, database: str, make: str) -> None:
    server.execute(f"SELECT {make}", "SELECT pg_switch_wal()", database=database)
    detail, advice = one(findings(), "replication slots")
    assert re.search(r"which keeps \d+ MiB of log; it grows until the disk is full", detail)
    server.execute(advice.rpartition(": ")[2], database=database)
    assert findings() == {}


@pytest.mark.usefixtures("database")
def test_a_slot_that_reserves_nothing_is_no_trouble(server: DurableServer) -> None:
    server.execute("SELECT pg_create_physical_replication_slot('x')")
    assert findings() == {}
    server.execute("SELECT pg_drop_replication_slot('x')")


def test_a_slot_whose_standby_is_gone_keeps_dead_rows_and_one_that_lags_keeps_log(
    server: DurableServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.execute("SELECT pg_create_physical_replication_slot('x')")
    with closing(server.standby()) as standby:
        standby.execute(
            "ALTER SYSTEM SET primary_slot_name = 'x'", "ALTER SYSTEM SET hot_standby_feedback = on",
            "SELECT pg_reload_conf()",
        )  # fmt: skip
        eventually(lambda: server.execute("SELECT 1 FROM pg_replication_slots WHERE active AND xmin IS NOT NULL"))
        assert findings() == {}
        with monkeypatch.context() as patch:
            patch.setattr(keeping, "FAR_BEHIND", -1)
            assert "the reader of 'x' (physical) is 0 MiB behind" in one(findings(), "replication slots")[0]
    eventually(lambda: server.execute("SELECT 1 FROM pg_replication_slots WHERE NOT active"))
    server.execute("UPDATE workers SET pid = pid + 1", database=database)
    assert "of log and what died in the last " in one(findings(), "replication slots")[0]
    server.execute("SELECT pg_drop_replication_slot('x')")
    assert findings() == {}


@pytest.mark.parametrize(("slot", "check"), [("", "standbys"), ("x", "replication slots")])
def test_a_standby_that_reads_for_long(
    server: DurableServer, database: str, monkeypatch: pytest.MonkeyPatch, slot: str, check: str
) -> None:
    if slot:
        server.execute("SELECT pg_create_physical_replication_slot('x')")
    with closing(server.standby()) as standby:
        standby.execute(
            f"ALTER SYSTEM SET primary_slot_name = '{slot}'", "ALTER SYSTEM SET hot_standby_feedback = on",
            "ALTER SYSTEM SET wal_receiver_status_interval = 1", "SELECT pg_reload_conf()",
        )  # fmt: skip
        standby.catch_up_with(server)
        with closing(psycopg.connect(standby.url(database))) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT count(*) FROM jobs")
            for _ in range(60):
                server.execute("UPDATE workers SET pid = pid + 1", database=database)
            eventually(lambda: findings() == {})
            monkeypatch.setattr(keeping, "LONG_QUERY", 50)
            detail, advice = one(eventually(findings), check)
            assert re.search(r"keeps what died in the last \d+ transactions", detail)
            assert advice.startswith("end the long query that runs there")
        eventually(lambda: findings() == {})
    if slot:
        eventually(lambda: server.execute("SELECT 1 FROM pg_replication_slots WHERE NOT active"))
        server.execute("SELECT pg_drop_replication_slot('x')")


@pytest.mark.usefixtures("database")
def test_more_log_than_the_server_means_to_keep(server: DurableServer) -> None:
    """`max_wal_size` is lowered to two segments; `wal_keep_size` keeps sixteen."""
    with setting(server, "max_wal_size", "32MB"):
        for _ in range(6):
            server.execute("SELECT pg_switch_wal()", "SELECT txid_current()")
        detail, advice = one(findings(), "write-ahead log")
        assert detail.endswith("and the server means to keep 32")
        assert "wal_keep_size" in advice


@pytest.mark.usefixtures("database")
def test_an_archive_that_takes_no_log(server: DurableServer) -> None:
    put_away = "SELECT last_archived_time > coalesce(last_failed_time, '-infinity') FROM pg_stat_archiver"
    with setting(server, "archive_command", "false"):
        server.execute("SELECT txid_current()", "SELECT pg_switch_wal()")
        eventually(lambda: server.execute("SELECT 1 FROM pg_stat_archiver WHERE failed_count > 0"))
        detail, advice = one(findings(), "archive")
        assert re.match(r"archive_command failed \d+ s ago", detail)
        assert "archive_command" in advice
    eventually(lambda: server.execute(put_away) == [(True,)])
    assert findings() == {}


@pytest.mark.parametrize(
    ("name", "scope", "advice"),
    [
        ("fsync", "SYSTEM", "set fsync = on for the server (configuration file), and reload it"),
        ("full_page_writes", "SYSTEM", "set full_page_writes = on for the server (configuration file), and reload it"),
        ("synchronous_commit", "DATABASE", "ALTER DATABASE … RESET synchronous_commit"),
        ("synchronous_commit", "ROLE", "ALTER ROLE … RESET synchronous_commit"),
    ],
)
def test_a_server_that_does_not_keep_what_it_acknowledges(
    server: DurableServer, database: str, name: str, scope: str, advice: str
) -> None:
    if scope == "SYSTEM":
        with setting(server, name, "off"):
            assert one(findings(), "durability")[1] == advice
        return
    whom = f"{scope} {database if scope == 'DATABASE' else 'test'}"
    server.execute(f"ALTER {whom} SET {name} = off")
    detail, found = one(findings(), "durability")
    assert (detail.partition(":")[0], found) == (f"{name} is off", advice)
    server.execute(f"ALTER {whom} RESET {name}")
    assert findings() == {}


def test_connections_that_are_nearly_all_used_and_then_all(
    server: DurableServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken_servers.hardly_a_connection_left(server, database):
        assert f" of {MOST - 3} are in use; then nobody" in one(findings(), "connections")[0]
    server.execute("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    monkeypatch.setenv("DATABASE_URL", server.url(database).replace("test@", "plain@"))
    with broken_servers.hardly_a_connection_left(server, database, left=0):
        found = findings(1)
        assert set(found) == {"database"}
        assert found["database"]["advice"] == "end some clients, or raise max_connections"


@pytest.mark.parametrize("scope", ["DATABASE", "ROLE"])
def test_a_limit_of_connections_of_the_database_or_the_role(server: DurableServer, database: str, scope: str) -> None:
    whom = f"{scope} {database if scope == 'DATABASE' else 'test'}"
    server.execute(f"ALTER {whom} CONNECTION LIMIT 1")
    assert f"raise the limit of the {scope.lower()}" in one(findings(), "connections")[1]
    server.execute(f"ALTER {whom} CONNECTION LIMIT -1")
    assert findings() == {}


def test_a_pooler_that_stands_between(
    server: DurableServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooler(database, server.port, tmp_path, 3) as between:
        monkeypatch.setenv("DATABASE_URL", between.url)
        found = findings()
        assert "LISTEN hears nothing through it" in found["notices"]["detail"]
        [(can_compile,)] = server.execute("SELECT pg_jit_available()")
        assert set(found) == {"notices", "jit"} if can_compile else {"notices"}
        server.execute("ALTER ROLE test SET jit = off")
        between.kill()
        between.start()
        assert set(findings()) == {"notices"}
        server.execute("ALTER ROLE test RESET jit")


def test_a_listener_that_does_not_listen_fills_the_queue(
    server: DurableServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks_of_server, "QUEUE_USED", 0.0001)
    with psycopg.connect(server.url(database), autocommit=True) as listener:
        listener.execute("LISTEN bookbot_jobs")
        listener.execute("BEGIN")
        listener.execute("SELECT 1")
        server.execute("SELECT pg_notify('other', n || repeat('.', 7900)) FROM generate_series(1, 300) n")
        assert "when it is full, nothing can be enqueued" in one(findings(), "notices")[0]
    server.execute("SELECT pg_notify('other', 'the last')")


@pytest.mark.usefixtures("database")
def test_a_version_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundations, "OLDEST", 99)
    found = findings(1)
    assert set(found) == {"database"}
    assert found["database"]["advice"] == "upgrade it to 99 or later"


@pytest.mark.usefixtures("database")
def test_clocks_that_are_apart() -> None:
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    how = {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME": "+3600s"}
    command = [sys.executable, "-m", "bookbot_worker", "doctor", "--json"]
    done = subprocess.run(command, env=os.environ | how, capture_output=True, text=True, check=True)
    found = {row["check"]: row for row in json.loads(done.stdout)["checks"] if row["level"] != "ok"}
    detail, advice = one(found, "clock")
    assert detail == "this machine and the database are 3600 s apart"
    assert "NTP" in advice


@pytest.fixture
def _plain_role(server: DurableServer, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's role owns nothing, and may do what `db grants` lets it."""
    server.execute("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    execute(server.url(database), grants("plain"))
    monkeypatch.setenv("DATABASE_URL", server.url(database).replace("test@", "plain@"))


@pytest.mark.usefixtures("_plain_role")
def test_a_role_without_rights_is_told_what_it_cannot_see(server: DurableServer, database: str) -> None:
    detail, advice = one(findings(), "write-ahead log")
    assert detail.startswith("cannot look")
    with broken_servers.forgotten_transaction(server, database):
        found = findings()
        assert "how long the transactions of other roles last" in found["old snapshots"]["detail"]
        server.execute("GRANT pg_monitor TO plain")
        assert "(report, idle in transaction)" in one(findings(), "old snapshots")[0]
        server.execute("REVOKE pg_monitor FROM plain")
    assert advice == "let the role see it: GRANT pg_monitor TO plain"


@pytest.mark.usefixtures("_plain_role")
def test_a_table_that_the_role_may_not_read_is_named_and_the_rest_is_looked_at(
    server: DurableServer, database: str
) -> None:
    server.execute("REVOKE SELECT ON schedules FROM plain", database=database)
    found = findings()
    assert found["schedules"]["detail"] == "cannot look: permission denied for table schedules"
    assert "write-ahead log" in found  # which comes later
    server.execute("REVOKE SELECT ON alembic_version FROM plain", database=database)
    found = findings(1)
    assert set(found) == {"schema"}
    assert "cannot look" in found["schema"]["detail"]
    assert "db grants" in found["schema"]["advice"]


@pytest.mark.parametrize(("number", "breakage"), [*enumerate(SET_UPS)], ids=[one.__name__ for one in SET_UPS])
def test_the_page_shows_what_it_says_of_five_broken_set_ups(
    server: DurableServer, database: str, number: int, breakage: Breakage
) -> None:
    """But for figures, which are N here."""
    with breakage(server, database):
        output = CliRunner().invoke(main, ["doctor"]).stdout
    wrong = "".join(line for line in output.splitlines(keepends=True) if not line.startswith("ok"))
    shown = blocks(PAGE, "text")
    assert len(shown) == len(SET_UPS)
    assert re.sub(r"\d+", "N", wrong) == re.sub(r"\d+", "N", shown[number])
