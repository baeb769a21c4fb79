"""Who enqueues, retries and claims the same job at the same moment: one job, one run, one answer for everybody."""

import threading
from functools import partial

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.outcomes import Completed, Failed, Outcome
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.control import cancel_job, retry_job
from shared.enqueue import create_job
from shared.errors import Conflict
from shared.ids import new_id
from shared.models import Job
from tests.support.racing import race
from tests.support.running import declare, enqueue, row

pytestmark = pytest.mark.integration

TURNS = 12


class Plain(BaseJob):
    def execute(self) -> bool:
        return True


@pytest.fixture
def claimant() -> Claimant:
    return Claimant(new_id(), (declare(Plain),))


def add(engine: Engine, key: str | None = None) -> str:
    with Session(engine) as session, session.begin():
        return create_job(job_type=declare(Plain), unique_key=key, session=session).job_id


def retry(engine: Engine, job_id: str) -> str:
    with Session(engine) as session, session.begin():
        return retry_job(job_id, session=session).job_id


def end(engine: Engine, job: Job, outcome: Outcome) -> None:
    settlement = Settlement(Candidate(job.job_id, None), str(job.claim_id), outcome)
    assert settle_together(engine, [settlement]) == {job.job_id}


def holders(engine: Engine, key: str) -> list[str]:
    active = select(Job.job_id).where(Job.unique_key == key, Job.state.in_(["waiting", "running"]))
    with engine.connect() as connection:
        return list(connection.scalars(active))


def claim_one(engine: Engine, claimant: Claimant, is_over: threading.Event) -> list[Job]:
    """Ask again and again until there is something, or nothing can come any more."""
    while True:
        was_over = is_over.is_set()
        if (jobs := claim(engine, claimant, 5)) or was_over:
            return jobs


def test_fifty_callers_with_one_key_make_one_job(engine: Engine) -> None:
    found = race(*(partial(add, engine, "the same request") for _ in range(50)))
    assert [found[0]] * 50 == found
    assert holders(engine, "the same request") == [found[0]]


def test_a_key_can_be_asked_for_any_number_of_times_on_one_connection(engine: Engine) -> None:
    """PostgreSQL plans a statement anew, for all values alike, once it has been prepared and run a few times."""
    with Session(engine) as session:
        found = [create_job(job_type=declare(Plain), unique_key="k", session=session).job_id for _ in range(30)]
        session.commit()
    assert holders(engine, "k") == [found[0]]
    assert set(found) == {found[0]}


def test_a_key_is_held_by_one_job_while_its_holders_run_and_end(engine: Engine, claimant: Claimant) -> None:
    """Callers meet a holder that waits, runs, or has just ended; none of them is refused or left waiting."""
    is_over = threading.Event()
    ended: list[str] = []

    def work() -> None:
        while not (is_over.is_set() and not holders(engine, "k")):
            for job in claim(engine, claimant, 5):
                end(engine, job, Completed())
                ended.append(job.job_id)

    def enqueue_many() -> list[str]:
        return [add(engine, "k") for _ in range(15)]

    def enqueue_all() -> list[list[str]]:
        try:
            return race(*[enqueue_many] * 8)
        finally:
            is_over.set()

    found, worked, also_worked = race(enqueue_all, work, work)
    assert (worked, also_worked) == (None, None)
    assert [answer for answer in found if isinstance(answer, Exception)] == []
    assert {job_id for answer in found for job_id in answer} == set(ended)
    assert len(ended) == len(set(ended))


def test_a_retry_and_a_claim_make_one_run(engine: Engine, claimant: Claimant) -> None:
    job_id = enqueue(engine, Plain)
    for turn in range(1, TURNS + 1):
        (job,) = claim(engine, claimant, 5)
        assert (job.job_id, job.attempt) == (job_id, turn)
        end(engine, job, Failed("no"))
        is_over = threading.Event()

        def retry_it(is_over: threading.Event = is_over) -> str:
            try:
                return retry(engine, job_id)
            finally:
                is_over.set()

        again, one, other = race(
            retry_it, partial(claim_one, engine, claimant, is_over), partial(claim_one, engine, claimant, is_over)
        )
        assert again == job_id
        (job,) = [*one, *other]
        assert (job.attempt, job.completed_at, job.error_message) == (turn + 1, None, None)
        assert row(engine, job_id).claim_id == job.claim_id
        with engine.begin() as connection:  # as it was, for the next turn
            connection.execute(Job.__table__.update().values(state="waiting", worker_id=None, attempt=turn))


def test_of_many_retries_one_counts_and_the_others_are_told(engine: Engine, claimant: Claimant) -> None:
    job_id = enqueue(engine, Plain)
    for turn in range(1, TURNS + 1):
        (job,) = claim(engine, claimant, 5)
        end(engine, job, Failed("no"))
        answers = race(*(partial(retry, engine, job_id) for _ in range(4)))
        assert answers.count(job_id) == 1
        assert (
            sorted(str(answer) for answer in answers if isinstance(answer, Conflict))
            == [f"job {job_id} is waiting; only an ended job can be retried"] * 3
        )
        assert (row(engine, job_id).state, row(engine, job_id).attempt) == ("waiting", turn)


def test_a_retry_and_a_new_job_with_its_key_leave_one_active_job(engine: Engine, claimant: Claimant) -> None:
    for _ in range(TURNS):
        old = add(engine, "k")
        (job,) = claim(engine, claimant, 5)
        end(engine, job, Failed("no"))
        again, new = race(partial(retry, engine, old), partial(add, engine, "k"))
        assert again == new == old or (isinstance(again, Conflict) and new != old)
        assert holders(engine, "k") == [new]
        (job,) = claim(engine, claimant, 5)
        end(engine, job, Completed())


def test_a_retry_and_a_cancel_leave_the_job_waiting_or_cancelled(engine: Engine, claimant: Claimant) -> None:
    def cancel(job_id: str) -> str:
        with Session(engine) as session, session.begin():
            return str(cancel_job(job_id, session=session))

    for _ in range(TURNS):
        job_id = enqueue(engine, Plain)
        (job,) = claim(engine, claimant, 5)
        end(engine, job, Failed("no"))
        again, answer = race(partial(retry, engine, job_id), partial(cancel, job_id))
        assert again == job_id
        if isinstance(answer, Conflict):
            assert "is already failed" in str(answer)
            assert row(engine, job_id).state == "waiting"
            assert cancel(job_id) == "cancelled"
        assert row(engine, job_id).state == "cancelled"
