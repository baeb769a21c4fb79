"""What the signals do to a worker at work, and that none of them costs a job more than its present run."""

import random
import signal
import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.models import SchemaInfo
from tests.faults.database import Database
from tests.faults.worker_rows import row_of
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet, Worker
from tests.support.invariants import check, watch
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Figures = Callable[[str, float], None]


def seconds_to_exit(worker: Worker, number: signal.Signals = signal.SIGTERM) -> float:
    """From the signal to the end of the process."""
    sent_at = time.monotonic()
    worker.signal(number)
    worker.exit_code()
    return time.monotonic() - sent_at


def wait_until_draining(worker: Worker) -> None:
    worker.wait_for_event("worker.stopping")


def stop_twice(worker: Worker) -> float:
    """Seconds from the second SIGTERM to the end of the process."""
    worker.signal(signal.SIGTERM)
    wait_until_draining(worker)
    return seconds_to_exit(worker)


def test_an_idle_worker_leaves_at_once_and_nothing_of_it_stays(
    database: Database, fleet: Fleet, figures: Figures
) -> None:
    [worker] = fleet.start_many(1)
    seconds = seconds_to_exit(worker)
    figures("SIGTERM to exit, idle", seconds)
    assert worker.exit_code() == 0
    assert seconds < 5
    assert row_of(database.engine, worker).state == "stopped"
    check(database.engine)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_busy_worker_finishes_what_it_runs(database: Database, fleet: Fleet, number: signal.Signals) -> None:
    [worker] = fleet.start_many(1)
    jobs = [
        database.add("effect", {"seconds": 0.8}),
        database.add("book_effect", {"seconds": 0.8}, book_id=database.add_book()),
    ]
    for job in jobs:
        database.wait_for_start(job)
    worker.signal(number)
    wait_until_draining(worker)
    later = database.add("effect")
    assert worker.exit_code() == 0
    assert [database.row(job).state for job in [*jobs, later]] == ["completed", "completed", "waiting"]
    check(database.engine, all_terminal=False)


@pytest.mark.parametrize("job_type", ["effect", "spins"])
def test_a_signal_never_breaks_into_a_commit(database: Database, fleet: Fleet, job_type: str) -> None:
    """The worker stands still between its COMMIT and the answer, and finds the signal when it goes on."""
    worker = fleet.start(failpoint="settle.commit_sent:stop")
    job = database.add(job_type, {"times": 0, "m": 3 if job_type == "effect" else 0})
    worker.wait_until_frozen()
    worker.signal(signal.SIGTERM)
    worker.cont()
    assert worker.exit_code() == 0
    assert (database.row(job).state, database.starts(job)) == ("completed", 1)
    check(database.engine)


def test_after_the_drain_time_a_job_goes_back_and_its_attempt_does_not_count(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1, "--drain-timeout", "0.5")
    jobs = [
        database.add("effect", {"seconds": 60}),
        database.add("book_effect", {"seconds": 60}, book_id=database.add_book()),
        database.add("hangs", {"flush": True}),
    ]
    for job in jobs:
        database.wait_for_start(job)
    assert seconds_to_exit(worker) < 15
    assert worker.exit_code() == 0
    for job in map(database.row, jobs):
        assert (job.state, job.attempt, job.losses) == ("waiting", 0, 0)
    check(database.engine, all_terminal=False)
    fleet.start()
    for job in jobs:
        database.wait_for_start(job, 2)


def test_a_second_signal_ends_the_worker_whatever_its_jobs_do(
    database: Database, fleet: Fleet, figures: Figures
) -> None:
    [worker] = fleet.start_many(1)
    deaf = [database.add("hangs", {"flush": flush}) for flush in (True, False)]
    jobs = [*deaf, database.add("spins", {"seconds": 60}), database.add("effect", {"seconds": 60})]
    for job in jobs:
        database.wait_for_start(job)
    seconds = stop_twice(worker)
    figures("second SIGTERM to exit, deaf jobs", seconds)
    assert seconds < 10
    code = worker.exit_code()
    if code == 0:  # else the time was up before they could be given back
        assert {(database.row(job).state, database.row(job).attempt) for job in jobs} == {("waiting", 0)}
    assert code in (0, 1)
    check(database.engine, all_terminal=False)
    fleet.start()
    for job in jobs:
        database.wait_for_start(job, 2)


def test_a_second_signal_ends_the_worker_even_where_the_database_does_not_answer(
    database: Database, fleet: Fleet, durable: DurableServer, figures: Figures
) -> None:
    [worker] = fleet.start_many(1)
    job = database.add("hangs", {"flush": True, "times": 1})
    database.wait_for_start(job)
    durable.pause()
    seconds = stop_twice(worker)
    durable.resume()
    figures("second SIGTERM to exit, frozen database", seconds)
    assert worker.exit_code() == 1
    assert worker.events("worker.forced_exit")
    assert seconds < 10
    fleet.start()
    database.wait_until_ended([job])
    assert (database.row(job).state, database.starts(job)) == ("completed", 2)
    check(database.engine)


def test_fifty_signals_in_a_second_are_no_more_than_two(database: Database, fleet: Fleet, dice: random.Random) -> None:
    [worker] = fleet.start_many(1)
    jobs = database.add_many(3, "effect", {"seconds": 60})
    for job in jobs:
        database.wait_for_start(job)
    between_two = threading.Event()
    for _ in range(50):
        worker.signal(dice.choice([signal.SIGTERM, signal.SIGINT]))  # to a process that ended: nothing
        between_two.wait(0.02)
    assert worker.exit_code() == 0
    assert "Traceback" not in worker.tail(1000)
    assert [(database.row(job).state, database.row(job).attempt) for job in jobs] == [("waiting", 0)] * len(jobs)
    check(database.engine, all_terminal=False)


def test_a_worker_that_is_sent_signals_to_the_last_does_not_die_of_one(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1)
    deadline = time.monotonic() + 20
    while worker.is_alive and time.monotonic() < deadline:
        worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    check(database.engine)


def test_sigquit_leaves_the_stacks_and_a_corpse_whose_jobs_are_rescued(database: Database, fleet: Fleet) -> None:
    worker = fleet.start(under=("prlimit", "--core=0"))
    job = database.add("hangs", {"times": 1})
    database.wait_for_start(job)
    worker.signal(signal.SIGQUIT)
    assert worker.exit_code() in (-signal.SIGQUIT, -signal.SIGSEGV)  # it may stumble over stacks that go on changing
    assert "most recent call first" in worker.log.read_text()
    assert "harmful_jobs.py" in worker.log.read_text()  # of the slot that runs the job, the newest thread
    fleet.start()
    database.wait_until_ended([job])
    assert (database.row(job).state, database.starts(job)) == ("completed", 2)
    check(database.engine)


def test_sigusr1_shows_the_stacks_and_disturbs_nothing(database: Database, fleet: Fleet) -> None:
    """Also a hundred times, in the middle of the work (from a C handler, 4 of 100 killed the worker)."""
    [worker] = fleet.start_many(1)
    job = database.add("effect", {"seconds": 1})
    database.wait_for_start(job)
    worker.signal(signal.SIGUSR1)
    eventually(lambda: "good_jobs.py" in worker.log.read_text() and "processor.py" in worker.log.read_text())
    others = database.add_many(300, "effect", {"seconds": 0.01})
    between_two = threading.Event()
    for _ in range(150):
        worker.signal(signal.SIGUSR1)
        between_two.wait(0.005)
    database.wait_until_ended([job, *others])
    assert {(database.row(job).state, database.starts(job)) for job in [job, *others]} == {("completed", 1)}
    assert seconds_to_exit(worker) < 5
    assert worker.exit_code() == 0


def test_sigusr2_pauses_and_resumes(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1)
    running = database.add("effect", {"seconds": 1})
    database.wait_for_start(running)
    with watch(database.engine):
        worker.signal(signal.SIGUSR2)
        eventually(lambda: row_of(database.engine, worker).state == "paused")
        waiting = database.add("effect")
        database.wait_until_ended([running])  # what runs is finished, and with it a slot is free
        beat = row_of(database.engine, worker).heartbeat_at
        eventually(lambda: row_of(database.engine, worker).heartbeat_at > beat)
        assert database.row(waiting).state == "waiting"
        worker.signal(signal.SIGUSR2)
        database.wait_until_ended([waiting])
        eventually(lambda: row_of(database.engine, worker).state == "running")
    worker.signal(signal.SIGUSR2)
    worker.wait_for_event("worker.paused")
    worker.signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    check(database.engine)


def test_a_worker_that_is_too_old_for_the_database_finishes_and_says_78(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1)
    job = database.add("effect", {"seconds": 0.5})
    database.wait_for_start(job)
    with Session(database.engine) as session:
        session.execute(update(SchemaInfo).values(oldest_worker="9999"))
        session.commit()
    assert worker.exit_code() == 78
    assert database.row(job).state == "completed"
    assert fleet.start().exit_code() == 78
    check(database.engine)


def test_a_thread_that_a_job_left_behind_does_not_keep_the_process(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1)
    job = database.add("leaves_thread")
    database.wait_until_ended([job])
    assert seconds_to_exit(worker) < 5
    assert (worker.exit_code(), database.row(job).state) == (0, "completed")
    check(database.engine)
