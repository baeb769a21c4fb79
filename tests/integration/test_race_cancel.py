"""A cancel against everything else that may happen to a job in the same moment: each time there is one winner.

Who was told that a job is cancelled, or asked to stop, never sees it run again; who comes too late is told so.
"""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, BookJob
from bookbot_worker.attempt import Attempt
from bookbot_worker.orphans import Holder, Sign
from bookbot_worker.outcomes import Cancelled, Completed, LostClaim, Outcome, Postponed
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.rescue import Dead, rescue
from bookbot_worker.queue.settle import settle_alone, settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.database import make_engine
from shared.enqueue import NewJob, create_jobs
from shared.errors import Conflict
from shared.ids import new_id
from shared.models import Job
from shared.settings import Settings
from shared.states import JobState
from tests.support.claims import add_book, add_worker, claimed, somebody_waits
from tests.support.racing import cancel, check_end, race
from tests.support.running import declare, enqueue, eventually, row

pytestmark = pytest.mark.integration

TURNS = 15
LATER = Postponed(timedelta(0), "not now")


class OnABook(BookJob):
    def execute(self) -> bool:
        return True


class Child(BaseJob):
    def execute(self) -> bool:
        return True


@pytest.fixture
def book_id(engine: Engine) -> str:
    declare(Child)
    return add_book(engine)


def settle(engine: Engine, job: Job, outcome: Outcome) -> set[str]:
    holder = Candidate(job.job_id, job.lock_scope, job.book_id, job.chunk_id)
    return settle_together(engine, [Settlement(holder, str(job.claim_id), outcome)])


def started(engine: Engine, book_id: str) -> Attempt:
    """A job that runs."""
    enqueue(engine, OnABook, book_id=book_id)
    (attempt,) = claimed(engine, new_id(), OnABook)
    return attempt


def test_against_claim(engine: Engine, book_id: str) -> None:
    claimant = Claimant(new_id(), (declare(OnABook),))
    for _ in range(TURNS):
        job_id = enqueue(engine, OnABook, book_id=book_id)
        jobs, answer = race(partial(claim, engine, claimant, 1), partial(cancel, engine, job_id))
        if jobs:
            assert answer is JobState.RUNNING
            assert row(engine, job_id).cancel_requested_at is not None
            assert settle(engine, jobs[0], Cancelled()) == {job_id}
        else:
            assert answer is JobState.CANCELLED
        check_end(engine, job_id, "cancelled")
        assert claim(engine, claimant, 1) == []


def test_many_claimers_and_many_cancels_leave_no_job_in_between(engine: Engine) -> None:
    claimant = Claimant(new_id(), (declare(OnABook),))
    ids = [enqueue(engine, OnABook, book_id=add_book(engine)) for _ in range(40)]

    def claim_all() -> list[Job]:
        return [job for _ in range(20) for job in claim(engine, claimant, 3)]

    def cancel_all(which: list[str]) -> list[JobState]:
        return [cancel(engine, job_id) for job_id in which]

    one, two, first, second = race(
        claim_all, claim_all, partial(cancel_all, ids[::2]), partial(cancel_all, ids[1::2][::-1])
    )
    answers = dict(zip([*ids[::2], *ids[1::2][::-1]], [*first, *second], strict=True))
    jobs = {job.job_id: job for job in [*one, *two]}
    assert len(jobs) == len(one) + len(two)
    assert {job_id for job_id, answer in answers.items() if answer is JobState.RUNNING} == set(jobs)
    for job in jobs.values():
        assert settle(engine, job, LATER) == {job.job_id}
    for job_id in ids:
        check_end(engine, job_id, "cancelled")


@pytest.mark.parametrize("turn", ["cancel first", "settle first"])
def test_a_job_that_completes_is_completed_and_who_cancels_it_too_late_is_told(
    engine: Engine, book_id: str, turn: str
) -> None:
    attempt = started(engine, book_id)
    if turn == "cancel first":
        assert cancel(engine, attempt.job_id) is JobState.RUNNING
    assert settle_together(engine, [attempt.settlement(Completed())]) == {attempt.job_id}
    if turn == "settle first":
        with pytest.raises(Conflict, match="already completed"):
            cancel(engine, attempt.job_id)
    check_end(engine, attempt.job_id, "completed")


def test_against_an_end(engine: Engine, book_id: str) -> None:
    answers = Counter[str]()
    for _ in range(TURNS):
        attempt = started(engine, book_id)
        group = [attempt.settlement(Completed())]
        settled, answer = race(partial(settle_together, engine, group), partial(cancel, engine, attempt.job_id))
        assert settled == {attempt.job_id}
        assert answer is JobState.RUNNING or "already completed" in str(answer)
        assert isinstance(answer, JobState | Conflict)
        answers[type(answer).__name__] += 1
        check_end(engine, attempt.job_id, "completed")
    assert answers.total() == TURNS


def test_against_going_back_to_wait(engine: Engine, book_id: str) -> None:
    """In whichever order: a job that was cancelled never runs again."""
    for _ in range(TURNS):
        attempt = started(engine, book_id)
        group = [attempt.settlement(LATER)]
        settled, answer = race(partial(settle_together, engine, group), partial(cancel, engine, attempt.job_id))
        assert settled == {attempt.job_id}
        assert answer in (JobState.RUNNING, JobState.CANCELLED)
        check_end(engine, attempt.job_id, "cancelled")
        assert claimed(engine, new_id(), OnABook) == []


def test_against_going_back_to_wait_for_children(engine: Engine, book_id: str) -> None:
    """The children are born and cancelled with it, or never born."""
    for _ in range(TURNS):
        attempt = started(engine, book_id)
        session = attempt.unit.session
        children = create_jobs([NewJob("child", parent_job_id=attempt.job_id) for _ in range(3)], session=session)
        awaits = tuple(child.job_id for child in children)
        waits = Postponed(timedelta(0), "children", returns_attempt=True, keeps_writes=True, awaits=awaits)
        ended, answer = race(
            partial(settle_alone, attempt.unit, attempt.settlement(waits)), partial(cancel, engine, attempt.job_id)
        )
        attempt.unit.discard()
        if isinstance(ended, LostClaim):
            assert answer is JobState.RUNNING
            assert settle_together(engine, [attempt.settlement(Cancelled())]) == {attempt.job_id}
        else:
            assert (ended, answer) == (None, JobState.CANCELLED)
        check_end(engine, attempt.job_id, "cancelled")
        with Session(engine) as looking:
            left = looking.scalars(select(Job.state).where(Job.parent_job_id == attempt.job_id)).all()
        assert left == ([] if isinstance(ended, LostClaim) else ["cancelled"] * 3)


def test_against_rescue(engine: Engine, book_id: str) -> None:
    for _ in range(TURNS):
        job_id = enqueue(engine, OnABook, book_id=book_id)
        worker_id = add_worker(engine, lease=-1)
        claimed(engine, worker_id, OnABook)
        dead = [Dead(Holder(worker_id), Sign.SILENT, "gone")]
        rescued, answer = race(partial(rescue, engine, dead), partial(cancel, engine, job_id))
        assert answer in (JobState.RUNNING, JobState.CANCELLED)
        if not rescued:  # the row was in the canceller's hands; the next turn finds it
            assert [one.job_id for one in rescue(engine, dead)] == [job_id]
        check_end(engine, job_id, "cancelled")
        assert rescue(engine, dead) == []


def test_a_family_is_locked_in_the_order_of_a_group_that_is_settled(postgres_settings: Settings) -> None:
    """By job_id, whoever is whose child: a settle that holds the grandchild and waits for the child would deadlock."""
    engine = make_engine(postgres_settings)
    declare(Child)
    family = [NewJob("child") for _ in range(4)]
    parent, child, grandchild, younger_child = family
    parents = (None, parent.job_id, child.job_id, parent.job_id)
    with Session(engine) as session, session.begin():
        of_parents = (replace(new, parent_job_id=by) for new, by in zip(family, parents, strict=True))
        create_jobs(of_parents, session=session)
    answers: list[JobState] = []
    canceller = threading.Thread(target=lambda: answers.append(cancel(engine, parent.job_id)))
    with engine.connect() as settling:
        settling.execute(select(Job.job_id).where(Job.job_id == grandchild.job_id).with_for_update())
        canceller.start()
        eventually(lambda: somebody_waits(engine))
        settling.execute(select(Job.job_id).where(Job.job_id == younger_child.job_id).with_for_update(nowait=True))
        settling.rollback()
    canceller.join(20)
    assert answers == [JobState.CANCELLED]
    assert {row(engine, new.job_id).state for new in family} == {"cancelled"}
    engine.dispose()
