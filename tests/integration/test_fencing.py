"""A late worker changes nothing: every write about a job asks for the claim it was made under."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from bookbot_worker.at_work import AtWork
from bookbot_worker.attempt import Attempt
from bookbot_worker.jobs.base import BookJob
from bookbot_worker.jobs.registry import Registry
from bookbot_worker.outcomes import Cancelled, Completed, Errored, Failed, LostClaim, Outcome, Postponed
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate, release_locks
from bookbot_worker.queue.settle import settle_alone, settle_together
from bookbot_worker.queue.settlement import Settlement
from bookbot_worker.telemetry.log_writer import LogWriter, insert_lines
from bookbot_worker.unit_of_work import guarded
from shared.control import cancel_job
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobLog
from shared.settings import Settings
from tests.support.running import declare, enqueue, eventually, lines, row

pytestmark = pytest.mark.integration


class Late(BookJob):
    def execute(self) -> bool:
        return True


def add_book(engine: Engine, title: str = "another") -> str:
    book_id = new_id()
    with Session(engine) as session:
        session.add(Book(book_id=book_id, title=title))
        session.commit()
    return book_id


@pytest.fixture
def attempt(engine: Engine) -> Attempt:
    """An attempt of a job on a book, claimed by a worker that is about to be late."""
    name = declare(Late)
    enqueue(engine, Late, book_id=add_book(engine, "as it was"))
    registry = Registry()
    registry.add(name, Late)
    (job,) = claim(engine, Claimant(new_id(), (name,)), 1)
    return Attempt.open(job, registry, guarded(engine), lambda _log: None, None)


Change = Callable[[Engine, Attempt], None]


def claimed_anew(engine: Engine, attempt: Attempt) -> None:
    """What a rescue and another worker's claim leave."""
    with engine.begin() as connection:
        changed = {"claim_id": new_id(), "worker_id": new_id(), "attempt": 2}
        connection.execute(update(Job).where(Job.job_id == attempt.job_id).values(**changed))


def back_in_the_queue(engine: Engine, _attempt: Attempt) -> None:
    with engine.begin() as connection:
        connection.execute(update(Job).values(state="waiting", worker_id=None))


def ended(engine: Engine, attempt: Attempt) -> None:
    """The claim is the same: its commit went through, and only the answer got lost."""
    assert settle_together(engine, [attempt.settlement(Failed("first"))]) == {attempt.job_id}


CHANGES: list[Change] = [claimed_anew, back_in_the_queue, ended]
OUTCOMES: list[Outcome] = [
    Completed(),
    Failed("no"),
    Errored("broken"),
    Cancelled(),
    Postponed(timedelta(0), "later"),
    Postponed(timedelta(0), "children", keeps_writes=True),
]


def everything(engine: Engine) -> list[object]:
    """All that a settle could change."""
    with Session(engine) as session:
        rows = session.query(Job).all() + session.query(Book).order_by(Book.book_id).all() + session.query(JobLog).all()
        return [{k: v for k, v in vars(found).items() if k != "_sa_instance_state"} for found in rows]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("has_line", [True, False])
def test_settling_a_lost_claim_in_a_group_changes_nothing(
    engine: Engine, attempt: Attempt, change: Change, outcome: Outcome, has_line: bool
) -> None:
    if has_line:
        attempt.add_line("written by the late one")
    change(engine, attempt)
    before = everything(engine)
    assert settle_together(engine, [attempt.settlement(outcome)]) == set()
    assert everything(engine) == before


@pytest.mark.parametrize("outcome", [Completed(), OUTCOMES[-1]], ids=["completed", "awaits"])
@pytest.mark.parametrize("change", CHANGES)
def test_settling_a_lost_claim_with_writes_changes_nothing(
    engine: Engine, attempt: Attempt, change: Change, outcome: Outcome
) -> None:
    attempt.unit.session.get_one(Book, attempt.holder.book_id).title = "overwritten"
    attempt.unit.session.add(Book(book_id=new_id(), title="by the late one"))
    change(engine, attempt)
    before = everything(engine)
    with pytest.raises(LostClaim):
        settle_alone(attempt.unit, attempt.settlement(outcome))
    attempt.unit.discard()
    assert everything(engine) == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_late_worker_stores_no_lines_and_no_progress(engine: Engine, attempt: Attempt, change: Change) -> None:
    writer = LogWriter(engine, timedelta(seconds=1))
    writer.watch(attempt.job_log)
    change(engine, attempt)
    before = everything(engine)
    attempt.add_line("too late")
    attempt.report(0.5, "too late")
    writer.run_once()
    assert everything(engine) == before


def test_giving_back_a_lost_claim_changes_nothing(engine: Engine, attempt: Attempt) -> None:
    at_work = AtWork(lambda: None, grace=1.0)
    at_work.add([attempt])
    claimed_anew(engine, attempt)
    before = everything(engine)
    at_work.give_back(engine)
    assert everything(engine) == before


def test_one_lost_claim_does_not_hold_up_its_group(engine: Engine, attempt: Attempt) -> None:
    others = [enqueue(engine, Late, book_id=add_book(engine)) for _ in range(3)]
    registry = Registry()
    registry.add("late", Late)
    jobs = claim(engine, Claimant(new_id(), ("late",)), 10)
    attempts = [Attempt.open(job, registry, engine, lambda _log: None, None) for job in jobs]
    claimed_anew(engine, attempt)
    group = [one.settlement(Completed()) for one in (attempt, *attempts)]
    assert settle_together(engine, group) == set(others)
    assert row(engine, attempt.job_id).state == "running"


def test_what_a_cancelled_job_started_is_never_born(engine: Engine, attempt: Attempt) -> None:
    """It was cancelled after its last look at the token, and before it is put back to wait for its children."""
    attempt.unit.session.add(Book(book_id=new_id(), title="a child"))
    with Session(engine) as session:
        cancel_job(attempt.job_id, session=session)
        session.commit()
    with pytest.raises(LostClaim):
        settle_alone(attempt.unit, attempt.settlement(Postponed(timedelta(0), "children", keeps_writes=True)))
    attempt.unit.discard()
    assert settle_together(engine, [attempt.settlement(Cancelled())]) == {attempt.job_id}
    assert row(engine, attempt.job_id).state == "cancelled"
    with Session(engine) as session:
        assert [book.title for book in session.query(Book)] == ["as it was"]
        assert session.query(Book).filter(Book.locked_by_job_id.is_not(None)).count() == 0


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Completed(), "completed"),
        (Failed("no"), "failed"),
        (Postponed(timedelta(0), "retry"), "cancelled"),
        (Postponed(timedelta(0), "shutdown", returns_attempt=True), "cancelled"),
    ],
    ids=["completed", "failed", "retry", "shutdown"],
)
def test_a_cancel_loses_against_an_end_and_wins_against_another_run(
    engine: Engine, attempt: Attempt, outcome: Outcome, state: str
) -> None:
    with Session(engine) as session:
        cancel_job(attempt.job_id, session=session)
        session.commit()
    assert settle_together(engine, [attempt.settlement(outcome)]) == {attempt.job_id}
    after = row(engine, attempt.job_id)
    assert after.state == state
    assert after.completed_at is not None
    assert lines(engine, attempt.job_id) == []


def test_a_lock_is_only_released_by_its_holder(engine: Engine, attempt: Attempt) -> None:
    book_id = str(attempt.holder.book_id)
    with engine.begin() as connection:
        release_locks(connection, [Candidate(new_id(), "book", book_id)])
        assert connection.scalar(select(Book.locked_by_job_id)) == attempt.job_id
    chunk_id = new_id()
    with Session(engine) as session:
        session.add(Chunk(chunk_id=chunk_id, book_id=book_id, type="scene", locked_by_job_id=attempt.job_id))
        session.commit()
    with engine.begin() as connection:
        release_locks(connection, [Candidate(new_id(), "chunk", book_id, chunk_id)])
        assert connection.scalar(select(Chunk.locked_by_job_id)) == attempt.job_id


def test_a_lost_claim_in_a_group_frees_no_lock_of_the_run_that_came_after(engine: Engine, attempt: Attempt) -> None:
    claimed_anew(engine, attempt)
    other = enqueue(engine, Late, book_id=add_book(engine))
    registry = Registry()
    registry.add("late", Late)
    (job,) = claim(engine, Claimant(new_id(), ("late",)), 1)
    good = Attempt.open(job, registry, engine, lambda _log: None, None)
    group = [one.settlement(Failed("no")) for one in (attempt, good)]
    assert settle_together(engine, group) == {other}
    with Session(engine) as session:
        held = session.query(Book).filter(Book.locked_by_job_id.is_not(None)).one()
        assert (held.book_id, held.locked_by_job_id) == (attempt.holder.book_id, attempt.job_id)


def test_lines_stored_by_a_commit_in_doubt_are_not_stored_twice(engine: Engine, attempt: Attempt) -> None:
    attempt.add_line("one")
    taken, _ = attempt.job_log.take() or ([], None)
    with engine.begin() as connection:
        insert_lines(connection, taken)
    attempt.job_log.stored(taken, None, is_safe=False)  # the answer was lost
    assert settle_together(engine, [attempt.settlement(Completed())]) == {attempt.job_id}
    assert lines(engine, attempt.job_id) == ["one"]


@pytest.mark.parametrize("are_alike", [True, False])
def test_a_group_locks_its_rows_in_the_order_of_whoever_cancels_a_family(
    postgres_settings: Settings, are_alike: bool
) -> None:
    """In any other order a settle that holds the second and waits for the first would deadlock with a cancel.

    Where all are alike and hold nothing, they are settled by a single statement.
    """
    engine = make_engine(postgres_settings)
    jobs = [enqueue(engine, Late, book_id=add_book(engine)) for _ in range(2)]
    first, second = (
        Settlement(Candidate(job.job_id, job.lock_scope, job.book_id), str(job.claim_id), Completed())
        for job in claim(engine, Claimant(new_id(), ("late",)), 2)
    )
    if are_alike:
        group = [replace(one, holder=Candidate(one.job_id, None)) for one in (second, first)]
    else:
        group = [second, replace(first, outcome=Failed("settled by a statement of its own, after the others"))]
    settled: list[set[str]] = []
    settling = threading.Thread(target=lambda: settled.append(settle_together(engine, group)))
    with engine.connect() as canceller:
        canceller.execute(select(Job.job_id).where(Job.job_id == jobs[0]).with_for_update())
        settling.start()
        eventually(lambda: somebody_waits(engine))
        canceller.execute(select(Job.job_id).where(Job.job_id == jobs[1]).with_for_update(nowait=True))
        canceller.rollback()
    settling.join(20)
    assert settled == [set(jobs)]
    engine.dispose()


def somebody_waits(engine: Engine) -> bool:
    of_locks = "wait_event_type = 'Lock' AND datname = current_database()"
    with engine.connect() as connection:
        return bool(connection.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {of_locks}")))  # noqa: S608
