"""Calling jobs off, and running them again."""

import threading

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.outcomes import Cancelled, Failed
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.control import cancel_job, retry_job
from shared.database import make_engine
from shared.enqueue import NewJob, create_job, create_jobs
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Job
from shared.settings import Settings, load_settings
from shared.states import TRANSITIONS, JobState
from tests.support.running import row, run_one

pytestmark = pytest.mark.integration


def add(engine: Engine, *new_jobs: NewJob) -> list[str]:
    with Session(engine) as session:
        create_jobs(new_jobs, session=session)
        session.commit()
    return [new.job_id for new in new_jobs]


def cancel(engine: Engine, job_id: str) -> JobState:
    with Session(engine) as session, session.begin():
        return cancel_job(job_id, session=session)


def retry(engine: Engine, job_id: str) -> None:
    with Session(engine) as session, session.begin():
        retry_job(job_id, session=session)


def run_and_fail(engine: Engine) -> Job:
    """The next job, claimed and ended as failed."""
    (job,) = claim(engine, Claimant(new_id(), ("demo",)), 1)
    settle_together(engine, [Settlement(Candidate(job.job_id, None), str(job.claim_id), Failed("no"), log_count=7)])
    return job


def states(engine: Engine, *job_ids: str) -> list[str]:
    return [row(engine, job_id).state for job_id in job_ids]


def test_a_waiting_job_is_cancelled_at_once_with_all_that_it_started_and_all_that_needs_it(engine: Engine) -> None:
    parent = NewJob("demo")
    child = NewJob("demo", parent_job_id=parent.job_id)
    grandchild = NewJob("demo", parent_job_id=child.job_id)
    needy = NewJob("demo", depends_on=[grandchild.job_id])
    stranger = NewJob("demo", awaits=[parent.job_id])
    ids = add(engine, parent, child, grandchild, needy, stranger)
    assert cancel(engine, parent.job_id) is JobState.CANCELLED
    assert states(engine, *ids) == ["cancelled"] * 4 + ["waiting"]
    assert all(row(engine, job_id).completed_at for job_id in ids[:4])


def test_a_running_job_is_only_asked(engine: Engine) -> None:
    (job_id,) = add(engine, NewJob("demo"))
    claim(engine, Claimant(new_id(), ("demo",)), 1)
    assert cancel(engine, job_id) is JobState.RUNNING
    first = row(engine, job_id).cancel_requested_at
    assert first is not None
    assert cancel(engine, job_id) is JobState.RUNNING
    assert row(engine, job_id).cancel_requested_at == first
    assert row(engine, job_id).state == "running"


def test_an_ended_job_cannot_be_cancelled_but_what_it_left_running_can(engine: Engine) -> None:
    (parent,) = add(engine, NewJob("demo"))
    run_and_fail(engine)
    with pytest.raises(Conflict, match="already failed"):
        cancel(engine, parent)
    (child,) = add(engine, NewJob("demo", parent_job_id=parent))
    cancel(engine, parent)
    assert states(engine, parent, child) == ["failed", "cancelled"]


def test_a_retried_job_starts_anew_and_keeps_its_history(engine: Engine) -> None:
    (job_id,) = add(engine, NewJob("demo"))
    run_and_fail(engine)
    retry(engine, job_id)
    job = row(engine, job_id)
    assert (job.state, job.completed_at, job.error_message, job.claim_id) == ("waiting", None, None, None)
    assert (job.attempt, job.max_attempts, job.log_count) == (1, 2, 7)
    assert run_and_fail(engine).job_id == job_id
    assert row(engine, job_id).attempt == 2


def test_only_an_ended_job_can_be_retried(engine: Engine) -> None:
    (job_id,) = add(engine, NewJob("demo"))
    with pytest.raises(Conflict, match="is waiting"):
        retry(engine, job_id)
    claim(engine, Claimant(new_id(), ("demo",)), 1)
    with pytest.raises(Conflict, match="is running"):
        retry(engine, job_id)


def test_a_cancelled_job_that_is_retried_is_no_longer_cancelled(engine: Engine) -> None:
    (job_id,) = add(engine, NewJob("demo"))
    cancel(engine, job_id)
    retry(engine, job_id)
    assert run_and_fail(engine).cancel_requested_at is None
    assert states(engine, job_id) == ["failed"]


def test_a_job_whose_key_another_holds_now_cannot_be_retried(engine: Engine) -> None:
    (first,) = add(engine, NewJob("demo", unique_key="k"))
    cancel(engine, first)
    add(engine, NewJob("demo", unique_key="k"))
    with pytest.raises(Conflict, match="another job with its unique key is active"):
        retry(engine, first)
    assert states(engine, first) == ["cancelled"]


@pytest.mark.parametrize("act", [cancel, retry])
def test_what_does_not_exist_is_not_found(engine: Engine, act: object) -> None:
    assert callable(act)
    with pytest.raises(NotFound):
        act(engine, new_id())
    with pytest.raises(InvalidInput, match="job_id"):
        act(engine, "nonsense")


def test_a_cancel_that_is_rolled_back_did_not_happen(engine: Engine) -> None:
    with Session(engine) as session:
        job = create_job(job_type="demo", session=session)
        job_id = job.job_id
        session.commit()
        cancel_job(job_id, session=session)
        assert job.state == "cancelled"
        session.rollback()
    assert states(engine, job_id) == ["waiting"]


def test_terminal_states_are_left_only_by_retrying() -> None:
    assert all(TRANSITIONS[state] == {JobState.WAITING} for state in JobState if state.is_terminal)


def test_a_cancel_request_does_not_outlive_the_run_it_was_for(engine: Engine) -> None:
    (job_id,) = add(engine, NewJob("demo"))
    (job,) = claim(engine, Claimant(new_id(), ("demo",)), 1)
    cancel(engine, job_id)
    settle_together(engine, [Settlement(Candidate(job_id, None), str(job.claim_id), Cancelled())])
    retry(engine, job_id)
    assert (row(engine, job_id).state, row(engine, job_id).cancel_requested_at) == ("waiting", None)


called_off: list[str] = []


class StartsAChild(BaseJob):
    """Is cancelled by somebody else after its last look at the token, and before it waits for its child."""

    def execute(self) -> bool:
        (child,) = self.create_jobs([NewJob("demo", parent_job_id=self.job.job_id)])
        engine = make_engine(load_settings())
        somebody = threading.Thread(target=lambda: called_off.append(cancel(engine, self.job.job_id)))
        somebody.start()
        somebody.join()
        engine.dispose()
        self.await_jobs([child.job_id], "waiting for the child")


@pytest.mark.usefixtures("environment")
def test_a_job_cancelled_at_its_last_moment_leaves_no_child_behind(settings: Settings, engine: Engine) -> None:
    called_off.clear()
    job = run_one(settings, engine, StartsAChild)
    assert called_off == ["running"]
    assert (job.state, job.error_message) == ("cancelled", None)
    with Session(engine) as session:
        assert [found.job_id for found in session.query(Job)] == [job.job_id]
