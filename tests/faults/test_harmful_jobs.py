"""Jobs that do harm end with a reason a person can read; their worker, or the next one, and their neighbours go on."""

import signal

import pytest
from sqlalchemy.orm import Session

from shared.control import cancel_job
from tests.faults.database import Database
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch
from tests.support.llm_server import LlmServer
from tests.support.running import eventually

pytestmark = pytest.mark.faults

LITTLE_SPACE = 1500 * 1024**2
"""Bytes of address space in which the stacks of some hundred threads fit."""

DEATHS = {"exits": 0, "aborts": -signal.SIGABRT, "segfaults": -signal.SIGSEGV, "kills_itself": -signal.SIGKILL}


def deaths() -> list[object]:
    marks = {"exits": (), "segfaults": ()}
    return [pytest.param(*death, marks=marks.get(death[0], (pytest.mark.slow_faults,))) for death in DEATHS.items()]


@pytest.mark.parametrize(("job_type", "code"), deaths())
def test_a_job_that_kills_its_workers_is_started_three_times_and_never_again(
    database: Database, fleet: Fleet, job_type: str, code: int
) -> None:
    """As a supervisor would, the test starts a new worker for each one that died."""
    poison = database.add(job_type)
    with watch(database.engine):
        assert [fleet.start().exit_code() for _ in range(3)] == [code] * 3
        fleet.start()
        database.wait_until_ended([poison, database.add("effect")])
    assert (database.starts(poison), database.row(poison).state) == (3, "error")
    words = f"worker lost 3 times without progress: worker worker3 (pid {fleet.workers[2].pid} on "
    assert str(database.row(poison).error_message).startswith(words)
    assert fleet.workers[3].is_alive
    check(database.engine)


def test_the_neighbours_of_a_job_that_killed_its_worker_run_again_and_complete(
    database: Database, fleet: Fleet
) -> None:
    harmful = database.add("segfaults", {"times": 1})
    neighbours = [
        database.add("effect", {"seconds": 0.3}),
        database.add("book_effect", {"seconds": 0.3}, book_id=database.add_book()),
    ]
    with watch(database.engine):
        assert fleet.start().exit_code() == -signal.SIGSEGV
        fleet.start()
        database.wait_until_ended([harmful, *neighbours])
    assert {(database.row(job).state, database.row(job).losses) for job in neighbours} == {("completed", 1)}
    check(database.engine)


def test_the_neighbours_of_a_job_that_kills_every_worker_complete(database: Database, fleet: Fleet) -> None:
    """They die with it twice; the third time it is alone among suspects."""
    poison = database.add("segfaults")
    neighbours = [
        *database.add_many(4, "effect", {"seconds": 0.3}),
        database.add("book_effect", {"seconds": 0.3}, book_id=database.add_book()),
    ]
    with watch(database.engine):
        assert [fleet.start().exit_code() for _ in range(3)] == [-signal.SIGSEGV] * 3
        fleet.start()
        database.wait_until_ended([poison, *neighbours])
    assert (database.starts(poison), database.row(poison).state) == (3, "error")
    assert {(database.row(job).state, database.row(job).losses) for job in neighbours} == {("completed", 2)}
    check(database.engine)


@pytest.mark.parametrize("child", ["exit", "raise", "return"])
def test_the_copy_of_a_worker_that_a_job_forked_does_not_run_on(database: Database, fleet: Fleet, child: str) -> None:
    [worker] = fleet.start_many(1)
    with watch(database.engine):
        jobs = [
            database.add("forks", {"child": child}),
            *database.add_many(5, "effect", {"seconds": 0.2}),
        ]
        database.wait_until_ended(jobs)
        database.wait_until_ended([database.add("effect")])
    assert {(database.row(job).state, database.starts(job)) for job in jobs} == {("completed", 1)}
    assert not worker.events("beat.missed")
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    check(database.engine)


def assert_it_goes_on(database: Database, worker: Worker) -> None:
    database.wait_until_ended([job := database.add("effect")])
    assert database.row(job).state == "completed"
    assert worker.is_alive
    check(database.engine)


def test_a_worker_lives_through_a_job_that_takes_all_descriptors(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1, under=("prlimit", "--nofile=64"))
    job = database.add("eats_descriptors", {"seconds": 2})
    eventually(lambda: database.witness.read("refused", job))
    neighbours = database.add_many(3, "effect")
    database.wait_until_ended([job, *neighbours])
    for neighbour in map(database.row, neighbours):
        assert neighbour.state == "completed" or "Too many open files" in str(neighbour.error_message)
    assert_it_goes_on(database, worker)


def test_a_worker_lives_through_a_job_that_takes_all_threads(database: Database, fleet: Fleet) -> None:
    """Here the system refuses for want of address space; what the worker sees is the same."""
    [worker] = fleet.start_many(1, under=("prlimit", f"--as={LITTLE_SPACE}"))
    job = database.add("eats_threads", {"seconds": 2})
    eventually(lambda: database.witness.read("refused", job))
    assert 5 < int(database.witness.read("refused", job)[0][2]) < 1000
    neighbours = database.add_many(3, "effect")
    database.wait_until_ended([job, *neighbours])
    assert_it_goes_on(database, worker)


def test_a_job_can_be_cancelled_where_no_thread_is_left_to_hang_up_for_it(
    database: Database, fleet: Fleet, llm: LlmServer
) -> None:
    llm.hold()
    [worker] = fleet.start_many(1, under=("prlimit", f"--as={LITTLE_SPACE}"))
    waits = database.add("streams_with_closing", {"llm": llm.url})
    eventually(lambda: llm.count("request", waits))
    job = database.add("eats_threads", {"seconds": 3})
    eventually(lambda: database.witness.read("refused", job))
    with Session(database.engine) as session:
        cancel_job(waits, session=session)
        session.commit()
    database.wait_until_ended([job, waits])
    assert database.row(waits).state == "cancelled"
    assert_it_goes_on(database, worker)


@pytest.mark.parametrize(
    ("job_type", "message"),
    [("eats_memory", "MemoryError"), ("recurses", "RecursionError: maximum recursion depth exceeded")],
)
def test_a_job_that_asks_for_too_much_ends_in_words(
    database: Database, fleet: Fleet, job_type: str, message: str
) -> None:
    [worker] = fleet.start_many(1, under=("prlimit", f"--as={4 * 1024**3}"))
    jobs = [database.add(job_type, {"mb": 100_000}), *database.add_many(5, "effect", {"seconds": 0.1})]
    database.wait_until_ended(jobs)
    assert database.row(jobs[0]).state == "error"
    assert str(database.row(jobs[0]).error_message).startswith(message)
    assert {database.row(job).state for job in jobs[1:]} == {"completed"}
    assert_it_goes_on(database, worker)


def test_where_jobs_have_leaked_all_memory_the_next_ones_end_in_words(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1, under=("prlimit", f"--as={LITTLE_SPACE}"))
    leaks = database.add_many(20, "eats_memory", {"mb": 100})
    database.wait_until_ended(leaks)
    assert {str(database.row(job).error_message) for job in leaks if database.row(job).state == "error"} == {
        "MemoryError"
    }
    assert_it_goes_on(database, worker)


def test_jobs_that_spin_cost_the_worker_no_beat_and_the_others_only_time(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1)
    with watch(database.engine):
        spinning = database.add_many(3, "spins", {"seconds": 3})
        for job in spinning:
            database.wait_for_start(job)
        others = database.add_many(10, "effect", {"seconds": 0.1})
        database.wait_until_ended([*spinning, *others])
    assert {database.row(job).state for job in [*spinning, *others]} == {"completed"}
    assert not worker.events("job.lost_claim")
    assert_it_goes_on(database, worker)
