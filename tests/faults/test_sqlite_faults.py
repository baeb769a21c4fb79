"""Several workers on one SQLite file, which has one writer at a time: every job is done once, whoever dies or waits."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.database import Database
from tests.faults.file_trouble import check_file, held
from tests.faults.trouble import never, rescued
from tests.support.fault_options import on_failure
from tests.support.fleet import TIMINGS, Fleet
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

LEASE = float(TIMINGS["BOOKBOT_LEASE_SECONDS"])

Figures = Callable[[str, float], None]


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """A fresh, migrated SQLite file."""
    return sqlite_database


@pytest.fixture
def fleet(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Workers on the file; no server is needed."""
    fleet = Fleet(database.settings, tmp_path)
    on_failure(request.node, "worker logs", fleet.tails)
    yield fleet
    fleet.close()


def add_all_kinds(database: Database, dice: random.Random, count: int) -> list[str]:
    """Jobs with and without locks, on few books and chunks, so that they get in each other's way."""
    books = [database.add_book() for _ in range(3)]
    chunks = [(book, database.add_chunk(book)) for book in books for _ in range(2)]
    ids: list[str] = []
    while len(ids) < count:
        book, chunk = dice.choice(chunks)
        seconds = {"seconds": dice.choice([0, 0, 0.05])}
        ids += [
            *database.add_many(2, "effect", seconds),
            *database.add_many(1, "quiet", seconds | {"m": 0}),
            database.add("book_effect", seconds, book_id=book),
            database.add("chunk_effect", seconds, book_id=book, chunk_id=chunk),
        ]
    return ids


def test_three_workers_on_one_file_do_every_job_once(
    database: Database, fleet: Fleet, dice: random.Random, figures: Figures
) -> None:
    fleet.start_many(3)
    with watch(database.engine):
        started = time.monotonic()
        ids = add_all_kinds(database, dice, 150)
        database.wait_until_ended(ids, 60)
        figures("SQLite: 150 jobs by three workers", time.monotonic() - started)
    check(database.engine, ids=ids)
    assert [database.starts(job_id) for job_id in ids] == [1] * len(ids)
    assert {database.row(job_id).state for job_id in ids} == {"completed"}
    assert len({database.row(job_id).claim_id for job_id in ids}) == len(ids)
    for worker in fleet.workers:
        assert not worker.events("database.unreachable")
        worker.signal(signal.SIGTERM)
    assert [worker.exit_code() for worker in fleet.workers] == [0, 0, 0]
    check_file(database)


@pytest.mark.parametrize("failpoint", [None, "settle.flushed:kill:5", "settle.commit_sent:kill:5"])
def test_when_one_worker_is_killed_the_other_goes_on(
    database: Database, fleet: Fleet, dice: random.Random, failpoint: str | None
) -> None:
    [doomed] = fleet.start_many(1, failpoint=failpoint)
    fleet.start_many(1)
    with watch(database.engine):
        ids = add_all_kinds(database, dice, 40)
        if failpoint is None:
            eventually(lambda: database.witness.count("end") >= 10)
            doomed.kill()
        while doomed.is_alive:  # the other may have been quicker: more, until the doomed one has come to its step
            database.wait_until_ended(ids, 60)
            ids += add_all_kinds(database, dice, 20)
        assert doomed.exit_code() == -signal.SIGKILL
        database.wait_until_ended(ids, 60)
    check(database.engine, ids=ids)
    assert {database.row(job_id).state for job_id in ids} == {"completed"}
    lost = [job_id for job_id in ids if database.row(job_id).losses]
    assert all(database.starts(job_id) == 1 for job_id in ids if job_id not in lost)
    assert len(lost) <= 10
    check_file(database)


def test_a_long_reader_holds_nobody_up(database: Database, fleet: Fleet, dice: random.Random) -> None:
    """It sees the file as it was, and the journal grows behind it."""
    fleet.start_many(2)
    with held(database, "BEGIN DEFERRED"):
        ids = add_all_kinds(database, dice, 60)
        database.wait_until_ended(ids, 60)
    check(database.engine, ids=ids)
    assert {database.row(job_id).state for job_id in ids} == {"completed"}
    assert not any(worker.events("database.unreachable") for worker in fleet.workers)
    check_file(database)


def test_a_writer_that_keeps_the_file_for_longer_than_a_lease_gets_nobody_rescued(
    database: Database, fleet: Fleet
) -> None:
    """Nobody can beat meanwhile, so all leases run out; who comes back first must not take the jobs of the others."""
    fleet.start_many(2)
    book = database.add_book()
    ids = [
        *database.add_many(6, "effect", {"until": "go"}),
        *database.add_many(4, "quiet", {"until": "go", "m": 0}),
        database.add("book_effect", {"until": "go"}, book_id=book),
    ]
    for job_id in ids:
        database.wait_for_start(job_id)
    with watch(database.engine):
        with held(database, "BEGIN IMMEDIATE"):
            released_at = time.monotonic() + float(TIMINGS["BOOKBOT_DATABASE_TIMEOUT_SECONDS"]) + LEASE
            database.witness.add("go")  # they end while nobody can write that down
            for worker in fleet.workers:
                told = worker.wait_for_event("database.unreachable")
                assert told["reason"] == "database is locked"
                assert worker.wait_for_event("beat.missed")["reason"] == "database is locked"
            never(lambda: rescued(fleet), released_at - time.monotonic())
        later = database.add("effect")
        database.wait_until_ended([*ids, later])
    check(database.engine, ids=[*ids, later])
    assert not rescued(fleet)
    assert {(database.row(job_id).state, database.row(job_id).attempt) for job_id in ids} == {("completed", 1)}
    assert [database.starts(job_id) for job_id in ids] == [1] * len(ids)
    for worker in fleet.workers:
        worker.wait_for_event("database.back")
        worker.wait_for_event("beat.back")
        assert worker.is_alive


def test_a_worker_that_stood_still_for_longer_than_its_lease_changes_nothing_when_it_wakes_up(
    database: Database, fleet: Fleet
) -> None:
    """It was stopped while its jobs ran; they have been given to another, which has done them."""
    [zombie] = fleet.start_many(1)
    ids = [
        *database.add_many(3, "effect", {"until": "go"}),
        database.add("quiet", {"until": "go", "m": 0}),
        database.add("book_effect", {"until": "go"}, book_id=database.add_book()),
    ]
    for job_id in ids:
        database.wait_for_start(job_id)
    zombie.freeze()
    with watch(database.engine):
        fleet.start_many(1)
        for job_id in ids:
            database.wait_for_start(job_id, 2)
        database.witness.add("go")
        database.wait_until_ended(ids)
        ended = {job_id: database.row(job_id).claim_id for job_id in ids}
        zombie.cont()
        for job_id in ids:
            zombie.wait_for_event("job.lost_claim", job_id=job_id)
        later = database.add_many(10, "effect", {"seconds": 0.2})
        database.wait_until_ended(later)
    check(database.engine, ids=[*ids, *later])
    assert {job_id: database.row(job_id).claim_id for job_id in ids} == ended
    assert {(database.row(job_id).state, database.starts(job_id)) for job_id in ids} == {("completed", 2)}
    assert zombie.is_alive


def test_a_worker_that_stands_still_while_it_is_the_writer_loses_nothing(database: Database, fleet: Fleet) -> None:
    """Nobody else can write, not even that it is dead; when it goes on, it commits what it has begun."""
    [other] = fleet.start_many(1, "--queue", "of the other")
    zombie = fleet.start(failpoint="settle.flushed:stop")
    job = database.add("effect")
    zombie.wait_until_frozen()
    other.wait_for_event("database.unreachable")
    never(lambda: rescued(fleet), LEASE)
    with watch(database.engine):
        zombie.cont()
        later = database.add_many(5, "effect", {"seconds": 0.1}, queue="of the other")
        database.wait_until_ended([job, *later])
    check(database.engine, ids=[job, *later])
    assert not rescued(fleet)
    assert (database.row(job).state, database.row(job).attempt, database.starts(job)) == ("completed", 1, 1)
