"""Which jobs a worker takes, in which order, and what it leaves."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bookbot_worker.outcomes import Completed, Errored
from bookbot_worker.queue.backlog import anything_left
from bookbot_worker.queue.candidates import Claimant, candidates
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.clock import db_now
from shared.database import make_engine
from shared.enqueue import NewJob, create_jobs
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Book, Chunk, Job, Queue
from shared.settings import Settings
from shared.states import LockScope
from tests.support.running import row

pytestmark = pytest.mark.integration

WORKER = Claimant(new_id(), ("free", "whole_book", "one_chunk"))


@pytest.fixture(autouse=True)
def _types() -> None:
    for name, scope in (("free", None), ("whole_book", LockScope.BOOK), ("one_chunk", LockScope.CHUNK), ("odd", None)):
        catalogue().add(JobType(name, AnyProps, locks=scope))


@pytest.fixture
def book(session: Session) -> str:
    book = Book(book_id=new_id(), title="claimed for")
    session.add(book)
    session.commit()
    return book.book_id


def add(session: Session, *new_jobs: NewJob) -> list[str]:
    jobs = create_jobs(new_jobs, session=session)
    session.commit()
    return [job.job_id for job in jobs]


def add_chunk(session: Session, book_id: str) -> str:
    chunk = Chunk(chunk_id=new_id(), book_id=book_id, type="scene")
    session.add(chunk)
    session.commit()
    return chunk.chunk_id


def taken(engine: Engine, limit: int = 10, claimant: Claimant = WORKER) -> list[str]:
    return [job.job_id for job in claim(engine, claimant, limit)]


def settle(engine: Engine, job: Job, outcome: Any = None) -> None:
    holder = Candidate(job.job_id, job.lock_scope, job.book_id, job.chunk_id)
    assert settle_together(engine, [Settlement(holder, str(job.claim_id), outcome or Completed())]) == {job.job_id}


def test_higher_priority_first_then_the_older(session: Session, engine: Engine) -> None:
    low, high, high_too = add(session, NewJob("free"), NewJob("free", priority=5), NewJob("free", priority=5))
    negative = add(session, NewJob("free", priority=-1))
    assert taken(engine) == [high, high_too, low, *negative]


def test_no_more_than_asked_for_and_each_with_a_claim_of_its_own(session: Session, engine: Engine) -> None:
    add(session, *(NewJob("free") for _ in range(5)))
    jobs = claim(engine, WORKER, 3)
    assert len({job.claim_id for job in jobs}) == 3
    assert {(job.state, job.attempt, job.worker_id) for job in jobs} == {("running", 1, WORKER.worker_id)}
    assert all(job.started_at is not None for job in jobs)
    assert len(taken(engine)) == 2


def test_a_job_is_not_started_before_its_time(session: Session, engine: Engine) -> None:
    later = add(session, NewJob("free", run_at=datetime.now(UTC) + timedelta(hours=1)))
    assert taken(engine) == []
    session.execute(update(Job).values(run_at=db_now()))
    session.commit()
    assert taken(engine) == later


def test_types_queues_and_pauses_are_respected(session: Session, engine: Engine) -> None:
    _unknown, own, other = add(session, NewJob("odd"), NewJob("free"), NewJob("free", queue="other"))
    assert taken(engine, claimant=Claimant(WORKER.worker_id, ("free",), ("other",))) == [other]
    session.add(Queue(queue="default", paused_at=datetime.now(UTC)))
    session.commit()
    assert taken(engine) == []
    session.query(Queue).delete()
    session.commit()
    assert taken(engine) == [own]


def test_a_job_waits_until_what_it_needs_has_completed(session: Session, engine: Engine) -> None:
    first, second = NewJob("free"), NewJob("free")
    needy = NewJob("free", depends_on=[first.job_id, second.job_id])
    add(session, first, second, needy)
    one, two = claim(engine, WORKER, 10)
    settle(engine, one)
    assert taken(engine) == []
    settle(engine, two)
    assert taken(engine) == [needy.job_id]


def test_what_needs_a_job_that_went_wrong_is_called_off_and_what_awaits_it_starts(
    session: Session, engine: Engine
) -> None:
    first = NewJob("free")
    needy, patient = NewJob("free", depends_on=[first.job_id]), NewJob("free", awaits=[first.job_id])
    grandchild = NewJob("free", depends_on=[needy.job_id])
    add(session, first, needy, patient, grandchild)
    (running,) = claim(engine, WORKER, 10)
    settle(engine, running, Errored("it broke"))
    assert taken(engine) == [patient.job_id]
    for job_id, cause in ((needy.job_id, first.job_id), (grandchild.job_id, needy.job_id)):
        job = row(engine, job_id)
        assert job.state == "cancelled"
        assert job.error_message == f"Not started: job {cause}, which it depends on, did not complete."


def test_a_book_job_waits_for_the_books_chunks_and_is_not_overtaken(
    session: Session, engine: Engine, book: str
) -> None:
    one, other = add_chunk(session, book), add_chunk(session, book)
    (running,) = add(session, NewJob("one_chunk", book_id=book, chunk_id=one))
    assert taken(engine) == [running]
    whole, later = add(session, NewJob("whole_book", book_id=book), NewJob("one_chunk", book_id=book, chunk_id=other))
    assert taken(engine) == []
    settle(engine, row(engine, running))
    assert taken(engine) == [whole]
    assert taken(engine) == []
    settle(engine, row(engine, whole))
    assert taken(engine) == [later]


def test_jobs_of_other_chunks_and_other_books_run_side_by_side(session: Session, engine: Engine, book: str) -> None:
    one, other = add_chunk(session, book), add_chunk(session, book)
    second = Book(book_id=new_id(), title="another")
    session.add(second)
    session.commit()
    side_by_side = add(
        session,
        NewJob("one_chunk", book_id=book, chunk_id=one),
        NewJob("one_chunk", book_id=book, chunk_id=other),
        NewJob("whole_book", book_id=second.book_id),
        NewJob("free", book_id=book),
    )
    again = add(session, NewJob("one_chunk", book_id=book, chunk_id=one))
    assert taken(engine) == side_by_side
    assert taken(engine) == []
    settle(engine, row(engine, side_by_side[0]))
    assert taken(engine) == again


def lose_twice(session: Session, *jobs: str) -> None:
    session.execute(update(Job).where(Job.job_id.in_(jobs)).values(losses=2))
    session.commit()


def test_one_suspect_at_a_time_and_the_others_as_ever(session: Session, engine: Engine) -> None:
    """A job that has lost two workers may be what kills them; beside another nobody could tell which it is."""
    first, second, innocent, once = add(session, *[NewJob("free", priority=-n) for n in range(4)])
    session.execute(update(Job).where(Job.job_id == once).values(losses=1))
    lose_twice(session, first, second)
    assert [job.job_id for job in claim(engine, WORKER, 9)] == [first, innocent, once]
    assert claim(engine, WORKER, 9, runs_a_suspect=True) == []
    assert [job.job_id for job in claim(engine, WORKER, 9)] == [second]


def test_a_suspect_that_cannot_start_holds_no_other_up(session: Session, engine: Engine, book: str) -> None:
    holder, suspect, other = add(session, NewJob("whole_book", book_id=book), NewJob("free"), NewJob("free"))
    assert [job.job_id for job in claim(engine, WORKER, 1)] == [holder]
    [behind_the_lock] = add(session, NewJob("whole_book", book_id=book, priority=9))
    [later] = add(session, NewJob("free", priority=8, run_at=datetime.now(UTC) + timedelta(hours=1)))
    lose_twice(session, behind_the_lock, later, suspect)
    assert {job.job_id for job in claim(engine, WORKER, 9)} == {suspect, other}


def test_many_jobs_of_a_locked_book_do_not_keep_others_from_being_found(
    session: Session, engine: Engine, book: str
) -> None:
    add(session, *(NewJob("whole_book", book_id=book, priority=9) for _ in range(50)))
    (behind,) = add(session, NewJob("free"))
    assert len(taken(engine, limit=1)) == 1
    assert taken(engine, limit=1) == [behind]


def test_the_queue_is_empty_when_nothing_is_left_that_this_worker_could_run(session: Session, engine: Engine) -> None:
    add(session, NewJob("odd"), NewJob("free", run_at=datetime.now(UTC) + timedelta(hours=1)))
    assert anything_left(engine, WORKER) is None
    add(session, NewJob("free"))
    assert anything_left(engine, WORKER)
    (job,) = claim(engine, WORKER, 1)
    assert anything_left(engine, WORKER)
    settle(engine, job)
    assert anything_left(engine, WORKER) is None


def rows_looked_at(plan: dict[str, Any]) -> int:
    """How many rows a plan's nodes read, those they threw away included."""
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return int(own) + sum(rows_looked_at(inner) for inner in plan.get("Plans", []))


def test_a_chain_of_scenes_is_not_searched_scene_by_scene(postgres_settings: Settings) -> None:
    """Each of n scenes waits for the one before. Asking of each whom it would overtake looks at n² rows.

    The tables are as they are right after a large enqueue: without statistics.
    """
    engine = make_engine(postgres_settings)
    book_id, count = new_id(), 1500
    with Session(engine) as session:
        session.add(Book(book_id=book_id, title="long"))
        session.flush()
        scenes = [Chunk(chunk_id=new_id(), book_id=book_id, type="scene") for _ in range(count)]
        session.add_all(scenes)
        session.flush()
        chain: list[NewJob] = []
        for scene in scenes:
            needed = [chain[-1].job_id] if chain else []
            chain.append(NewJob("one_chunk", book_id=book_id, chunk_id=scene.chunk_id, depends_on=needed))
        add(session, *chain)
    statement = candidates(WORKER).params(free=10, runs_a_suspect=False)
    sql = statement.compile(engine, compile_kwargs={"literal_binds": True})
    with engine.begin() as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        looked_at = rows_looked_at(explained.scalar_one()[0]["Plan"])
    engine.dispose()
    assert looked_at < 20 * count


def while_locked(engine: Engine, rows: Any, act: Callable[[], list[str]]) -> list[str]:
    """What `act` returns while another transaction holds `rows`. Fails where it waits for that."""
    found: list[str] = []
    with engine.connect() as connection:
        connection.execute(rows)
        thread = threading.Thread(target=lambda: found.extend(act()))
        thread.start()
        thread.join(10)
        is_waiting = thread.is_alive()
        connection.rollback()
        thread.join(10)
    assert not is_waiting
    return found


def test_jobs_that_another_claimer_looks_at_are_skipped(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    with Session(engine) as session:
        first, second = add(session, NewJob("free", priority=1), NewJob("free"))
    held = select(Job.job_id).where(Job.job_id == first).with_for_update()
    assert while_locked(engine, held, lambda: taken(engine)) == [second]
    engine.dispose()


def test_books_that_another_claimer_has_in_hand_are_skipped(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    with Session(engine) as session:
        book_id = new_id()
        session.add(Book(book_id=book_id, title="in hand"))
        session.commit()
        whole, other = add(session, NewJob("whole_book", book_id=book_id, priority=1), NewJob("free"))
    assert while_locked(engine, select(Book.book_id).with_for_update(), lambda: taken(engine)) == [other]
    assert taken(engine) == [whole]
    engine.dispose()


def test_jobs_of_one_chunk_do_not_fill_the_batch(session: Session, engine: Engine, book: str) -> None:
    chunk = add_chunk(session, book)
    first, _second, other = add(
        session,
        NewJob("one_chunk", book_id=book, chunk_id=chunk, priority=9),
        NewJob("one_chunk", book_id=book, chunk_id=chunk, priority=9),
        NewJob("free"),
    )
    assert taken(engine, limit=2) == [first, other]
