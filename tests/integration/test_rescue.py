"""The jobs of dead workers run again, once, and those of living ones are left alone."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bookbot_worker.jobs.base import BaseJob, BookJob
from bookbot_worker.lease import Lease
from bookbot_worker.maintenance.rescuer import Rescuer
from bookbot_worker.orphans import Fate, Holder, Sign
from bookbot_worker.outcomes import Completed
from bookbot_worker.process_identity import identity
from bookbot_worker.queue.rescue import Dead, give_back_unknown, rescue
from bookbot_worker.queue.sessions import end_sessions, session_name
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.workers import silent_workers
from shared.clock import db_now, db_now_plus
from shared.control import cancel_job
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book, Job, LlmCall, Worker
from shared.settings import Settings
from tests.support.claims import add_book, add_worker, claimed, log_of
from tests.support.running import enqueue, eventually, processor_for, row

pytestmark = pytest.mark.integration


class OnABook(BookJob):
    def execute(self) -> bool:
        self.book.title = "written"
        return True


class Plain(BaseJob):
    def execute(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def rescuer(
    engine: Engine,
    *,
    has_beaten_for: float = 60.0,
    server_seconds: float | None = None,
    is_needed: Callable[[], bool] = lambda: True,
) -> Rescuer:
    """A rescuer whose worker has beaten without a gap for so many seconds, with a lease of 20."""
    clock = Clock()
    lease = Lease(20, clock)
    lease.renewed(clock.now)
    while clock.now < has_beaten_for:
        clock.now += min(4, has_beaten_for - clock.now)
        lease.renewed(clock.now)
    return Rescuer(engine, new_id(), lease, 1, lambda: server_seconds, is_needed=is_needed)


def dead(worker_id: str, sign: Sign = Sign.SILENT) -> list[Dead]:
    return [Dead(Holder(worker_id), sign, "a worker: silent")]


def lock_holders(engine: Engine) -> list[str | None]:
    with engine.connect() as connection:
        return list(connection.scalars(select(Book.locked_by_job_id).where(Book.locked_by_job_id.is_not(None))))


def test_a_job_of_a_silent_worker_runs_again_and_its_log_says_why(settings: Settings, engine: Engine) -> None:
    job_id = enqueue(engine, OnABook, book_id=add_book(engine))
    claimed(engine, add_worker(engine, lease=-1, name="desk", hostname="atelier", pid=4711), OnABook)
    assert lock_holders(engine) == [job_id]
    rescuer(engine).run_once()
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.losses, job.max_attempts) == ("waiting", 1, 1, 2)
    assert (job.claim_id, job.worker_id, job.started_at, job.deadline_at) == (None, None, None, None)
    assert lock_holders(engine) == []
    ((attempt, seq, message),) = log_of(engine, job_id)
    assert (attempt, seq, job.log_count) == (1, 1, 1)
    assert "worker desk (pid 4711 on atelier)" in message
    processor_for(settings, OnABook).run(until_empty=True)
    assert (row(engine, job_id).state, row(engine, job_id).attempt) == ("completed", 2)


@pytest.mark.parametrize("lease", [None, -1, -3600])
def test_silent_is_who_has_no_lease(engine: Engine, lease: float | None) -> None:
    job_id = enqueue(engine, Plain)
    claimed(engine, add_worker(engine, lease=lease), Plain)
    rescuer(engine).run_once()
    assert row(engine, job_id).state == "waiting"


def test_a_worker_without_a_row_is_dead(engine: Engine) -> None:
    """Found by what is missing, not by joining with dead workers (solid_queue #159)."""
    job_id = enqueue(engine, Plain)
    claimed(engine, new_id(), Plain)
    rescuer(engine).run_once()
    assert row(engine, job_id).state == "waiting"


@pytest.mark.parametrize("state", ["running", "paused", "draining"])
def test_the_jobs_of_a_living_worker_are_left_alone_however_old(engine: Engine, state: str) -> None:
    job_id = enqueue(engine, Plain)
    claimed(engine, add_worker(engine, lease=5, state=state), Plain)
    with engine.begin() as connection:
        connection.execute(update(Job).values(started_at=db_now_plus(-86_400)))
    rescuer(engine).run_once()
    assert row(engine, job_id).state == "running"


def test_the_worker_s_own_jobs_are_never_rescued_by_itself(engine: Engine) -> None:
    one = rescuer(engine)
    job_id = enqueue(engine, Plain)
    claimed(engine, one._worker_id, Plain)
    one.run_once()
    assert row(engine, job_id).state == "running"


@pytest.mark.parametrize(
    ("has_beaten_for", "server_seconds", "state"),
    [(19, None, "running"), (21, None, "waiting"), (60, 19, "running"), (60, 21, "waiting")],
)
def test_after_an_outage_nobody_is_given_up_for_a_whole_lease(
    engine: Engine, has_beaten_for: float, server_seconds: float | None, state: str
) -> None:
    """The others could not beat either; the first one back must not rescue everybody's jobs."""
    job_id = enqueue(engine, Plain)
    claimed(engine, add_worker(engine, lease=-1), Plain)
    rescuer(engine, has_beaten_for=has_beaten_for, server_seconds=server_seconds).run_once()
    assert row(engine, job_id).state == state


def test_a_process_that_is_gone_is_rescued_from_at_once(engine: Engine) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    worker_id = add_worker(engine, lease=3600, pid=child.pid, process=identity(child.pid))
    job_id = enqueue(engine, Plain)
    claimed(engine, worker_id, Plain)
    one = rescuer(engine, has_beaten_for=0)
    one.run_once()
    assert row(engine, job_id).state == "running"
    child.communicate()
    one.run_once()
    assert row(engine, job_id).state == "waiting"
    with engine.connect() as connection:
        assert connection.scalar(select(Worker.lease_until <= db_now()).where(Worker.worker_id == worker_id))


def test_a_process_of_the_same_number_elsewhere_is_nobody_s_business(engine: Engine) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    job_id = enqueue(engine, Plain)
    claimed(engine, add_worker(engine, lease=3600, pid=child.pid, process="another-boot pid:[1] 77"), Plain)
    rescuer(engine).run_once()
    assert row(engine, job_id).state == "running"


def test_a_worker_that_stopped_without_giving_back_is_rescued_from_at_once(engine: Engine) -> None:
    job_id = enqueue(engine, Plain)
    claimed(engine, add_worker(engine, lease=0, state="stopped"), Plain)
    rescuer(engine, has_beaten_for=0).run_once()
    assert row(engine, job_id).state == "waiting"


def lose(engine: Engine, job_class: type[BaseJob]) -> str:
    """One run that ends with its worker; returns its claim."""
    (attempt,) = claimed(engine, add_worker(engine, lease=-1), job_class)
    rescuer(engine).run_once()
    return attempt.claim_id


def test_a_job_that_loses_its_worker_three_times_is_given_up_with_what_waited_for_it(engine: Engine) -> None:
    job_id = enqueue(engine, OnABook, book_id=add_book(engine))
    waits = enqueue(engine, Plain, depends_on=[job_id], priority=-1)
    lose(engine, OnABook)
    lose(engine, OnABook)
    last_claim = lose(engine, OnABook)
    job = row(engine, job_id)
    assert (job.state, job.losses, job.claim_id) == ("error", 3, last_claim)
    assert str(job.error_message).startswith("worker lost 3 times without progress: worker a worker (pid ")
    assert job.completed_at is not None
    assert lock_holders(engine) == []
    assert row(engine, waits).state == "cancelled"
    assert [(attempt, seq) for attempt, seq, _ in log_of(engine, job_id)] == [(1, 1), (2, 2), (3, 3)]
    assert job.log_count == 3


def test_a_run_that_had_paid_for_an_answer_made_progress(engine: Engine) -> None:
    job_id = enqueue(engine, Plain)
    for number in range(1, 5):
        (attempt,) = claimed(engine, add_worker(engine, lease=-1), Plain)
        assert attempt.number == number
        call = {
            "call_id": new_id(), "job_id": job_id, "attempt": number, "seq": 1, "request_hash": "x",
            "provider": "p", "model": "m", "request": {}, "status": "done",
        }  # fmt: skip
        with engine.begin() as connection:
            connection.execute(insert(LlmCall).values(**call))
        rescuer(engine).run_once()
        assert (row(engine, job_id).state, row(engine, job_id).losses) == ("waiting", 0)
    assert lose(engine, Plain)
    assert row(engine, job_id).losses == 1  # this time there was no answer


def test_a_lost_job_that_was_cancelled_is_cancelled(engine: Engine) -> None:
    job_id = enqueue(engine, Plain)
    claimed(engine, add_worker(engine, lease=-1), Plain)
    with Session(engine) as session, session.begin():
        cancel_job(job_id, session=session)
    rescuer(engine).run_once()
    assert (row(engine, job_id).state, row(engine, job_id).attempt) == ("cancelled", 1)


def test_a_lost_run_costs_none_of_the_attempts_a_job_type_allows(engine: Engine) -> None:
    job_id = enqueue(engine, Plain, max_attempts=3)
    lose(engine, Plain)
    assert row(engine, job_id).max_attempts - row(engine, job_id).attempt == 3


def test_lines_of_the_lost_run_stay_and_the_next_run_goes_on_counting(engine: Engine) -> None:
    job_id = enqueue(engine, Plain)
    (lost,) = claimed(engine, add_worker(engine, lease=-1), Plain)
    lost.add_line("stored live")
    store(engine, lost)
    lost.add_line("never stored")
    rescuer(engine).run_once()
    (again,) = claimed(engine, new_id(), Plain)
    again.add_line("second run")
    settle_together(engine, [again.settlement(Completed())])
    store(engine, lost)
    assert [(attempt, seq) for attempt, seq, _ in log_of(engine, job_id)] == [(1, 1), (1, 2), (2, 3)]
    assert [message for _, _, message in log_of(engine, job_id)][::2] == ["stored live", "second run"]
    assert row(engine, job_id).log_count == 3


def store(engine: Engine, attempt: object) -> None:
    from datetime import timedelta

    from bookbot_worker.telemetry.log_writer import LogWriter

    writer = LogWriter(engine, timedelta(seconds=1))
    writer.watch(attempt.job_log)  # type: ignore[attr-defined]
    writer.run_once()


# Races


def test_a_beat_that_comes_after_the_look_saves_the_worker(engine: Engine) -> None:
    """The lease is read once more when the rows are locked."""
    worker_id = add_worker(engine, lease=-1)
    job_id = enqueue(engine, Plain)
    claimed(engine, worker_id, Plain)
    seen = dead(worker_id)
    with engine.begin() as connection:
        connection.execute(update(Worker).values(lease_until=db_now_plus(20)))
    assert rescue(engine, seen) == []
    assert row(engine, job_id).state == "running"


def test_a_job_that_was_claimed_anew_after_the_look_is_left_alone(engine: Engine) -> None:
    worker_id = add_worker(engine, lease=-1)
    job_id = enqueue(engine, Plain)
    claimed(engine, worker_id, Plain)
    seen = dead(worker_id)
    assert [one.fate for one in rescue(engine, seen)] == [Fate.RUN_AGAIN]
    (again,) = claimed(engine, add_worker(engine, lease=20), Plain)
    assert rescue(engine, seen) == []
    assert (row(engine, job_id).state, row(engine, job_id).claim_id) == ("running", again.claim_id)


def test_a_row_that_is_being_settled_is_skipped(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    worker_id = add_worker(engine, lease=-1)
    jobs = [enqueue(engine, Plain) for _ in range(2)]
    claimed(engine, worker_id, Plain)
    with engine.connect() as settling:
        settling.execute(select(Job.job_id).where(Job.job_id == jobs[0]).with_for_update())
        assert [one.job_id for one in rescue(engine, dead(worker_id))] == [jobs[1]]
        settling.rollback()
    assert [row(engine, job).state for job in jobs] == ["running", "waiting"]
    engine.dispose()


def test_a_transaction_that_a_dead_worker_left_open_is_ended_and_holds_up_no_rescue(
    postgres_settings: Settings,
) -> None:
    """Its machine lost its power in the middle of a settle; the server would keep the row locked for hours."""
    engine = make_engine(postgres_settings)
    worker_id = add_worker(engine, lease=-1)
    jobs = [enqueue(engine, Plain) for _ in range(2)]
    claimed(engine, worker_id, Plain)
    left_open = make_engine(postgres_settings, application=session_name(worker_id))
    living = make_engine(postgres_settings, application=session_name(new_id()))
    with left_open.connect() as settling, living.connect() as other:
        settling.execute(select(Job.job_id).where(Job.job_id == jobs[0]).with_for_update())
        other.execute(select(Job.job_id))
        one = rescuer(engine)
        one._lease.seconds = 0.2  # for which nothing must have happened in it
        eventually(lambda: (one.run_once(), [row(engine, job).state for job in jobs])[1] == ["waiting", "waiting"])
        with pytest.raises(OperationalError):
            settling.execute(select(Job.job_id))
        other.execute(select(Job.job_id))
    for each in (engine, left_open, living):
        each.dispose()


def test_a_transaction_in_which_something_has_just_happened_is_not_ended(postgres_settings: Settings) -> None:
    """Whoever holds it may be alive behind a network that stammers, or a pooler that gave the session to another."""
    engine = make_engine(postgres_settings)
    worker_id = add_worker(engine, lease=-1)
    its_own = make_engine(postgres_settings, application=session_name(worker_id))
    with its_own.connect() as settling:
        settling.execute(select(Job.job_id))
        assert end_sessions(engine, [worker_id], 60) == 0
        settling.execute(select(Job.job_id))
    for each in (engine, its_own):
        each.dispose()


def test_silent_is_who_has_not_stopped_and_does_not_beat(engine: Engine) -> None:
    add_worker(engine, lease=60)
    stopped = add_worker(engine, lease=-1)
    silent = add_worker(engine, lease=-1)
    with engine.begin() as connection:
        connection.execute(update(Worker).where(Worker.worker_id == stopped).values(state="stopped"))
    assert silent_workers(engine) == [silent]


def test_the_database_is_asked_only_where_a_beat_has_seen_reason_to(engine: Engine) -> None:
    job_id = enqueue(engine, Plain)
    claimed(engine, add_worker(engine, lease=-1), Plain)
    is_needed = False
    one = rescuer(engine, is_needed=lambda: is_needed)
    one.run_once()
    assert row(engine, job_id).state == "running"
    is_needed = True
    one.run_once()
    assert row(engine, job_id).state == "waiting"


def test_two_rescuers_lose_a_job_only_once(engine: Engine) -> None:
    worker_id = add_worker(engine, lease=-1)
    jobs = [enqueue(engine, Plain) for _ in range(40)]
    claimed(engine, worker_id, Plain)
    start = threading.Barrier(4)

    def go() -> None:
        start.wait()
        rescue(engine, dead(worker_id))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {(row(engine, job).state, row(engine, job).losses) for job in jobs} == {("waiting", 1)}


def test_rescue_against_settle_has_one_winner_and_no_deadlock(engine: Engine) -> None:
    books = [add_book(engine) for _ in range(30)]
    jobs = [enqueue(engine, OnABook, book_id=book) for book in books]
    worker_id = add_worker(engine, lease=-1)
    attempts = claimed(engine, worker_id, OnABook)
    settled: set[str] = set()
    rescued: set[str] = set()
    start = threading.Barrier(2)

    def settle() -> None:
        start.wait()
        for first in range(0, 30, 3):
            group = [attempt.settlement(Completed()) for attempt in attempts[first : first + 3]]
            settled.update(settle_together(engine, group))

    def rescues() -> None:
        start.wait()
        for _ in range(30):
            rescued.update(one.job_id for one in rescue(engine, dead(worker_id)))

    threads = [threading.Thread(target=act) for act in (settle, rescues)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert settled | rescued == set(jobs)
    assert settled & rescued == set()
    assert {row(engine, job).state for job in settled} <= {"completed"}
    assert {row(engine, job).state for job in rescued} <= {"waiting"}
    assert lock_holders(engine) == []


# Claims in doubt


def test_a_claim_whose_answer_was_lost_goes_back_with_its_attempt(engine: Engine) -> None:
    job_id = enqueue(engine, OnABook, book_id=add_book(engine))
    (attempt,) = claimed(engine, new_id(), OnABook)
    assert give_back_unknown(engine, {attempt.claim_id: job_id}) == 1
    job = row(engine, job_id)
    assert (job.state, job.attempt, job.losses, job.claim_id) == ("waiting", 0, 0, None)
    assert lock_holders(engine) == []


def test_a_claim_that_is_no_longer_the_job_s_gives_nothing_back(engine: Engine) -> None:
    job_id = enqueue(engine, Plain)
    (old,) = claimed(engine, add_worker(engine, lease=-1), Plain)
    rescuer(engine).run_once()
    (new,) = claimed(engine, new_id(), Plain)
    assert give_back_unknown(engine, {old.claim_id: job_id}) == 0
    assert (row(engine, job_id).state, row(engine, job_id).claim_id) == ("running", new.claim_id)


def test_rows_of_workers_that_ended_long_ago_are_forgotten_unless_they_hold_jobs(engine: Engine) -> None:
    forgotten = add_worker(engine, lease=-200_000, state="stopped")
    recent = add_worker(engine, lease=-60, state="stopped")
    living = add_worker(engine, lease=20, pid=os.getpid())
    rescuer(engine).run_once()
    with engine.connect() as connection:
        left = set(connection.scalars(select(Worker.worker_id)))
    assert left == {recent, living}
    assert forgotten not in left
