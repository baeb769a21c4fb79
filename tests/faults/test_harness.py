"""Do the workers of a fleet do what they are told, and their jobs what they are for?"""

import random
import signal
from collections.abc import Callable

import pytest

from shared.settings import Settings
from tests.faults.database import Database
from tests.support.chaos_proxy import ChaosProxy
from tests.support.fleet import Fleet
from tests.support.invariants import check, watch
from tests.support.llm_server import LlmServer
from tests.support.running import eventually

pytestmark = pytest.mark.faults


def test_a_fleet_does_its_jobs_and_the_invariants_hold(database: Database, fleet: Fleet) -> None:
    with watch(database.engine) as watching:
        fleet.start_many(2)
        book = database.add_book()
        ids = [
            *database.add_many(20, "effect", {"seconds": 0.05}),
            *database.add_many(3, "book_effect", book_id=book),
            *database.add_many(3, "chunk_effect", book_id=book, chunk_id=database.add_chunk(book)),
            database.add("retries", {"times": 1}),
            database.add("snoozes"),
        ]
        database.wait_until_ended(ids)
    assert watching.samples
    check(database.engine, ids=ids)
    assert {database.row(job_id).state for job_id in ids} == {"completed"}
    assert len(database.effects(ids[0])) == 3
    assert database.witness.count("start") == 30
    for worker in fleet.workers:
        worker.signal(signal.SIGTERM)
    assert [worker.exit_code() for worker in fleet.workers] == [0, 0]
    assert fleet.workers[0].events("worker.stopped")


def test_the_same_on_sqlite(sqlite_database: Database, fleet: Fleet) -> None:
    worker = fleet.start(settings=sqlite_database.settings)
    book = sqlite_database.add_book()
    ids = [*sqlite_database.add_many(5, "effect"), *sqlite_database.add_many(2, "book_effect", book_id=book)]
    with watch(sqlite_database.engine) as watching:
        sqlite_database.wait_until_ended(ids)
    assert watching.samples
    worker.kill()
    check(sqlite_database.engine, ids=ids)


def test_a_worker_can_be_frozen_and_go_on(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1)
    worker.freeze()
    assert worker.is_frozen
    job = database.add("effect")
    worker.cont()
    database.wait_until_ended([job])
    assert worker.kill() == -signal.SIGKILL


def test_a_worker_under_strace_dies_at_the_message_it_was_told(fleet: Fleet) -> None:
    worker = fleet.start(strace="sendto:signal=KILL:when=5")
    assert worker.exit_code() == -signal.SIGKILL
    assert not worker.events("worker.started")


def test_strace_strikes_in_the_thread_that_runs_the_job(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1, "--concurrency", "1")
    without_slots = worker.threads()
    database.wait_until_ended([database.add("effect")])
    worker.trace("sendto:signal=KILL:when=3", worker.threads() - without_slots)
    job = database.add("effect")
    assert worker.exit_code() == -signal.SIGKILL
    assert (database.starts(job), database.row(job).state, database.effects(job)) == (1, "running", [])


def test_a_worker_that_ends_early_is_not_waited_for(fleet: Fleet) -> None:
    worker = fleet.start("--concurrency", "none")
    with pytest.raises(AssertionError, match=r"the worker ended \(2\) without worker.started:\n(.|\n)*none"):
        worker.wait_for_event("worker.started")
    assert "worker1.log, pid" in fleet.tails()


def test_a_worker_lives_under_the_limits_it_was_given(database: Database, fleet: Fleet) -> None:
    worker = fleet.start("--concurrency", "1", under=("prlimit", "--nofile=64"))
    job = database.add("eats_descriptors", {"seconds": 0})
    eventually(lambda: database.witness.read("refused", job))
    assert int(database.witness.read("refused", job)[0][2]) < 64
    assert worker.is_alive


def test_a_trap_strikes_the_settling_of_one_job(
    database: Database, fleet: Fleet, proxy: ChaosProxy, proxied: Settings
) -> None:
    """Among all that a worker commits: beats, claims, log lines, other jobs."""
    [worker] = fleet.start_many(1, settings=proxied)
    others = database.add_many(5, "effect")
    database.wait_until_ended(others)
    job = database.add("effect", {"seconds": 0.3})
    trap = proxy.drop_commit_ack(only_if=f"effect {job}".encode())
    others += database.add_many(5, "effect")
    trap.wait()
    assert len(database.effects(job)) == 3
    assert database.row(job).state == "completed"
    database.wait_until_ended(others)
    assert worker.is_alive
    assert proxy.connections


@pytest.mark.parametrize(
    ("job_type", "code"),
    [("exits", 0), ("aborts", -signal.SIGABRT), ("segfaults", -signal.SIGSEGV), ("kills_itself", -signal.SIGKILL)],
)
def test_some_jobs_end_their_worker(database: Database, fleet: Fleet, job_type: str, code: int) -> None:
    job = database.add(job_type)
    assert fleet.start().exit_code() == code
    assert (database.starts(job), database.effects(job)) == (1, [])


def test_other_jobs_only_try_to(database: Database, fleet: Fleet) -> None:
    [worker] = fleet.start_many(1)
    jobs = [
        database.add("forks"),
        database.add("hangs", {"seconds": 1, "flush": True}),
        database.add("spins", {"seconds": 0.5}),
        database.add("eats_memory"),
        database.add("eats_threads", {"most": 50, "seconds": 0.1}),
        database.add("kills_itself", {"times": 0}),
    ]
    database.wait_until_ended(jobs)
    assert {database.row(job).state for job in jobs[2:]} == {"completed"}
    assert [line[2] for line in database.witness.read("refused")] == ["50"]
    assert worker.is_alive


# The language model


def test_the_model_answers_when_told_and_is_witnessed(database: Database, fleet: Fleet, llm: LlmServer) -> None:
    llm.hold()
    fleet.start()
    job = database.add("asks_llm", {"llm": llm.url})
    eventually(lambda: llm.count("request", job, 1))
    assert llm.count("answered") == 0
    llm.release()
    database.wait_until_ended([job])
    assert database.row(job).state == "completed"
    assert (llm.count("request"), llm.count("answered"), llm.count("closed")) == (1, 1, 0)


@pytest.mark.parametrize("is_held", [True, False])
def test_the_model_sees_a_client_that_went_away(
    database: Database, fleet: Fleet, llm: LlmServer, is_held: bool
) -> None:
    if is_held:
        llm.hold()
    llm.stream(0.3)
    worker = fleet.start()
    job = database.add("streams_llm", {"llm": llm.url})
    eventually(lambda: llm.count("request", job))
    worker.kill()
    eventually(lambda: llm.count("closed", job))
    assert llm.count("answered") == 0


# The rest


def test_chance_can_be_replayed(seed: int, dice: random.Random) -> None:
    assert dice.random() == random.Random(seed).random()


def test_figures_are_shown_at_the_end(figures: Callable[[str, float], None]) -> None:
    """The table itself is the proof; see `fault_options.py`."""
    figures("harness: one figure, to see that figures are shown", 1.0)
