"""Requests: what the web asks for, a worker carries out, soon, once, and whatever happens in between."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.outcomes import Cancelled, Failed
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.requests import CarriedOut, asked_for, carry_out
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from bookbot_worker.queue.workers import beat
from shared.control import cancel_job, retry_job
from shared.enqueue import NewJob, create_jobs
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Job
from shared.requests import request_cancel, request_retry
from shared.settings import Settings
from shared.why import explain
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration

Act = Callable[..., object]


def add(engine: Engine, *new_jobs: NewJob) -> list[str]:
    with Session(engine) as session:
        create_jobs(new_jobs, session=session)
        session.commit()
    return [new.job_id for new in new_jobs]


def do(engine: Engine, act: Act, job_id: str, **options: bool) -> None:
    with Session(engine) as session, session.begin():
        act(job_id, session=session, **options)


def claim_one(engine: Engine) -> Job:
    (job,) = claim(engine, Claimant(new_id(), ("demo",)), 1)
    return job


def end(engine: Engine, job: Job, outcome: Failed | Cancelled) -> None:
    settle_together(engine, [Settlement(Candidate(job.job_id, None), str(job.claim_id), outcome)])


def failed(engine: Engine, **values: str) -> str:
    (job_id,) = add(engine, NewJob("demo", **values))
    end(engine, claim_one(engine), Failed("no"))
    return job_id


def states(engine: Engine, *job_ids: str) -> list[str]:
    return [row(engine, job_id).state for job_id in job_ids]


def test_a_request_to_cancel_changes_nothing_but_its_column_and_the_job_is_not_claimed(engine: Engine) -> None:
    (job_id,) = add(engine, NewJob("demo"))
    do(engine, request_cancel, job_id)
    asked_at = row(engine, job_id).cancel_requested_at
    assert (states(engine, job_id), asked_at is not None) == (["waiting"], True)
    assert claim(engine, Claimant(new_id(), ("demo",)), 1) == []
    do(engine, request_cancel, job_id)
    assert row(engine, job_id).cancel_requested_at == asked_at
    with Session(engine) as session:
        assert "to be called off" in explain(session, job_id)


def test_a_cancel_is_carried_out_with_all_that_the_job_started_and_all_that_needs_it(engine: Engine) -> None:
    parent = NewJob("demo")
    child = NewJob("demo", parent_job_id=parent.job_id)
    needy = NewJob("demo", depends_on=[child.job_id])
    other = NewJob("demo")
    ids = add(engine, parent, child, needy, other)
    do(engine, request_cancel, parent.job_id)
    assert asked_for(engine) == sorted(ids[:2])
    assert carry_out(engine, asked_for(engine)) == [CarriedOut(parent.job_id, "cancel")]
    assert states(engine, *ids) == ["cancelled"] * 3 + ["waiting"]
    assert asked_for(engine) == []


def test_of_a_running_job_the_request_is_its_workers_and_its_waiting_children_are_cancelled(engine: Engine) -> None:
    (parent,) = add(engine, NewJob("demo"))
    job = claim_one(engine)
    (child,) = add(engine, NewJob("demo", parent_job_id=parent))
    do(engine, request_cancel, parent)
    assert asked_for(engine) == [child]
    carry_out(engine, [child])
    assert states(engine, parent, child) == ["running", "cancelled"]
    assert row(engine, parent).cancel_requested_at is not None
    end(engine, job, Cancelled())


def test_children_run_again_before_their_parents_which_would_start_others_in_their_place(engine: Engine) -> None:
    parent, child = failed(engine), failed(engine)
    for job_id in (parent, child):
        do(engine, request_retry, job_id)
    assert asked_for(engine) == sorted([parent, child], reverse=True)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_retry_is_carried_out_as_it_was_asked_for(engine: Engine, fresh: bool) -> None:
    job_id = failed(engine)
    do(engine, request_retry, job_id, fresh=fresh)
    do(engine, request_retry, job_id)
    assert (states(engine, job_id), row(engine, job_id).retry_fresh) == (["failed"], fresh)
    assert carry_out(engine, asked_for(engine)) == [CarriedOut(job_id, "retry")]
    job = row(engine, job_id)
    assert (job.state, job.llm_epoch, job.retry_requested_at, job.retry_fresh) == ("waiting", int(fresh), None, False)
    assert asked_for(engine) == []


def test_what_cannot_be_done_is_refused_when_it_is_asked_for(engine: Engine) -> None:
    ended = failed(engine)
    (waiting,) = add(engine, NewJob("demo"))
    with pytest.raises(Conflict, match="already failed"):
        do(engine, request_cancel, ended)
    with pytest.raises(Conflict, match="is waiting"):
        do(engine, request_retry, waiting)
    for act in (request_cancel, request_retry):
        with pytest.raises(NotFound):
            do(engine, act, new_id())
        with pytest.raises(InvalidInput):
            do(engine, act, "no id")


def test_a_retry_whose_key_another_job_holds_is_refused_when_asked_and_forgotten_when_too_late(engine: Engine) -> None:
    first = failed(engine, unique_key="k")
    do(engine, request_retry, first)
    add(engine, NewJob("demo", unique_key="k"))
    (done,) = carry_out(engine, asked_for(engine))
    assert "another job with its unique key is active" in str(done.refusal)
    assert (states(engine, first), row(engine, first).retry_requested_at) == (["failed"], None)
    with pytest.raises(Conflict, match="unique key"):
        do(engine, request_retry, first)


def test_a_request_that_another_worker_has_carried_out_is_not_carried_out_again(engine: Engine) -> None:
    job_id = failed(engine)
    do(engine, request_retry, job_id)
    seen = asked_for(engine)
    carry_out(engine, seen)
    end(engine, claim_one(engine), Failed("again"))
    assert carry_out(engine, seen) == []
    do(engine, retry_job, job_id)
    do(engine, request_cancel, job_id)
    seen = asked_for(engine)
    do(engine, cancel_job, job_id)
    do(engine, retry_job, job_id)
    assert carry_out(engine, seen) == []
    assert states(engine, job_id) == ["waiting"]


def test_a_beat_hears_of_requests(engine: Engine) -> None:
    worker = {"worker_id": new_id(), "name": "w", "hostname": "h", "pid": 1, "version": "1"}
    worker |= {"process": None, "queues": [], "job_types": [], "concurrency": 1}
    assert not beat(engine, worker, 20, "running", None).has_requests
    job_id = failed(engine)
    do(engine, request_retry, job_id)
    assert beat(engine, worker, 20, "running", None).has_requests


class Fails(BaseJob):
    def execute(self) -> bool:
        return False


def test_a_worker_carries_requests_out_at_the_databases_hint(settings: Settings, engine: Engine) -> None:
    quiet = settings.model_copy(update={"poll_seconds": 600.0, "heartbeat_seconds": 300.0, "lease_seconds": 1000.0})
    with running(processor_for(quiet, Fails)):
        later = enqueue(engine, Fails, run_at=datetime.now(UTC) + timedelta(days=1))
        job_id = enqueue(engine, Fails)
        eventually(lambda: row(engine, job_id).state == "failed")
        do(engine, request_retry, job_id)
        eventually(lambda: row(engine, job_id).attempt == 2 and row(engine, job_id).state == "failed")
        do(engine, request_cancel, later)
        eventually(lambda: row(engine, later).state == "cancelled")
