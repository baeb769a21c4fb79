"""The server's disk is full where jobs write, and has room again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.database import Database
from tests.faults.file_trouble import SmallDisk, small_disk
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow_faults]


@pytest.fixture
def disk(durable: DurableServer, tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk with a tablespace `small` on it. Ask for it before `database`, which goes first at the end."""
    with small_disk(tmp_path / "disk", megabytes=16) as disk:
        place = disk.folder / "tablespace"
        place.mkdir()
        durable.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        yield disk
        durable.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("table", ["books", "job_logs", "jobs"])
def test_where_the_disk_of_a_table_is_full_jobs_wait_for_room(
    disk: SmallDisk, database: Database, fleet: Fleet, table: str
) -> None:
    """Of the jobs' own writes, of their lines, of the queue itself."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} SET TABLESPACE small")
    worker = fleet.start()
    worker.wait_for_event("worker.started")
    ids = database.add_many(60, "effect", {"until": "go", "m": 40})
    database.wait_for_start(ids[0])
    with watch(database.engine):
        disk.fill()
        database.witness.add("go")
        eventually(lambda: "disk is full" in str(worker.events("database.unreachable")) or interrupted(database, ids))
        disk.clear()
        database.wait_until_ended(ids, 60)
    assert {database.row(job_id).state for job_id in ids} == {"completed"}
    assert worker.is_alive
    check(database.engine, ids=ids)


def interrupted(database: Database, ids: list[str]) -> bool:
    return any("No space left on device" in str(database.row(job_id).progress_message) for job_id in ids)
