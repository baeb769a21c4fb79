"""An SQLite file whose writers die within a system call, and one whose disk is full: nothing lost, nothing halved."""

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.database import make_engine
from shared.settings import Settings, load_settings
from tests.faults.database import Database
from tests.faults.file_trouble import SmallDisk, check_file, dies_within, small_disk
from tests.support.fault_options import on_failure
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually
from tests.support.witness import Witness

pytestmark = [pytest.mark.faults, pytest.mark.slow_faults, pytest.mark.timeout(240)]


@pytest.fixture
def fleet(sqlite_settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Workers that are told with `settings` where their file is; no server is needed."""
    fleet = Fleet(sqlite_settings, tmp_path)
    on_failure(request.node, "worker logs", fleet.tails)
    yield fleet
    fleet.close()


@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
def test_a_worker_may_die_within_any_write_to_the_file(
    sqlite_database: Database, fleet: Fleet, dice: random.Random, call: str
) -> None:
    database, ids = sqlite_database, []
    book = database.add_book()
    with watch(database.engine):
        for _ in range(12):
            [doomed] = fleet.start_many(1, "--concurrency", "2")
            database.wait_until_ended([database.add("quiet", {"m": 0}), database.add("effect")])  # its slots are there
            dies_within(doomed, call, dice.randint(1, 30 if call == "pwrite64" else 8))
            ids += database.add_many(6, "effect")
            ids += database.add_many(6, "book_effect", book_id=book)
            assert doomed.exit_code() == -signal.SIGKILL
            check_file(database)
        fleet.start()
        database.wait_until_ended(ids, 60)
    check(database.engine, ids=ids)
    for job in map(database.row, ids):
        words = str(job.error_message)
        assert job.state == "completed" or (job.losses == 3 and words.startswith("worker lost 3 times")), words
    check_file(database)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 8 MB."""
    with small_disk(tmp_path / "disk", 8) as disk:
        yield disk


@pytest.fixture
def on_disk(disk: SmallDisk, sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A fresh, migrated file on it. The witness is elsewhere."""
    shutil.copy(sqlite_template, disk.folder / "bookbot.db")
    settings = load_settings(database_url=f"sqlite:///{disk.folder / 'bookbot.db'}", poll_seconds=0.2)
    engine = make_engine(settings)
    yield Database(settings, engine, Witness(tmp_path / "witness"))
    engine.dispose()


def test_a_full_disk_costs_no_job_and_no_worker(disk: SmallDisk, on_disk: Database, fleet: Fleet) -> None:
    database = on_disk
    [worker] = fleet.start_many(1, settings=database.settings)
    big = {"until": "go", "m": 400}
    running = [
        *database.add_many(3, "effect", big),
        *database.add_many(3, "quiet", {"until": "go", "m": 0}),
        database.add("book_effect", big, book_id=database.add_book()),
    ]
    for job_id in running:
        database.wait_for_start(job_id)
    waiting = database.add_many(20, "effect", {"seconds": 0.1})
    ids = [*running, *waiting]
    disk.fill()
    with watch(database.engine):
        database.witness.add("go")
        told = worker.wait_for_event("database.unreachable", 60)
        assert told["reason"] == "database or disk is full"
        eventually(lambda: len(worker.events("database.unreachable")) >= 4, 60)
        assert worker.is_alive
        disk.clear()
        database.wait_until_ended(ids, 90)
        worker.wait_for_event("database.back")
    check(database.engine, ids=ids)
    check_file(database)
    assert {database.row(job_id).state for job_id in ids} == {"completed"}
    assert worker.is_alive
