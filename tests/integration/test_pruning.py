"""Pruning: what goes, what stays, and that it goes in batches."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from bookbot_worker.jobs.prune import PruneJob
from bookbot_worker.processor import JobProcessor
from shared.enqueue import NewJob, create_jobs
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.models import Job, JobDependency, JobLog, LlmCall, ScheduleTick, Worker
from shared.pruning import count_prunable, ended_before, prune_batch, prune_rest
from shared.settings import Settings
from shared.states import JobState
from tests.support.claims import add_worker
from tests.support.running import lines, row

pytestmark = pytest.mark.integration

DEMO: dict[str, Any] = {"job_type": "demo", "props": {"steps": 1, "seconds": 0}}
LONG_AGO = datetime.now(UTC) - timedelta(days=100)


def add(session: Session, *values: dict[str, Any], state: str = "completed", at: datetime = LONG_AGO) -> list[str]:
    """Jobs that ended at that time, each with a line of log and a call."""
    ids = [job.job_id for job in create_jobs([NewJob(**DEMO, **each) for each in values], session=session)]
    session.flush()
    session.execute(update(Job).where(Job.job_id.in_(ids)).values(state=state, completed_at=at))
    for job_id in ids:
        session.add(JobLog(job_id=job_id, attempt=1, seq=1, claim_id=new_id(), level="INFO", message="", created_at=at))
        session.add(
            LlmCall(
                call_id=new_id(), job_id=job_id, attempt=1, seq=1, request_hash="x", provider="p", model="m",
                request={"prompt": "long"}, response="long", status="done", cost_usd=0.5,
            )
        )  # fmt: skip
    session.commit()
    return ids


def left(session: Session) -> set[str]:
    session.rollback()
    return set(session.scalars(select(Job.job_id)))


def test_old_jobs_go_with_their_logs_and_texts_but_not_with_their_costs(session: Session) -> None:
    (old,) = add(session, {})
    (young,) = add(session, {}, at=datetime.now(UTC))
    assert prune_batch(session, ended_before(session, 90)).as_dict() == {
        "jobs": 1, "log_lines": 1, "llm_calls": 1, "ticks": 0, "workers": 0,
    }  # fmt: skip
    session.commit()
    assert left(session) == {young}
    assert session.scalars(select(JobLog.job_id)).all() == [young]
    call = session.scalars(select(LlmCall).where(LlmCall.job_id == old)).one()
    assert (call.request, call.response, call.cost_usd) == ({}, None, 0.5)


def test_only_the_states_asked_for_go(session: Session) -> None:
    (failed,) = add(session, {}, state="failed")
    (done,) = add(session, {})
    before = ended_before(session, 1)
    assert count_prunable(session, before) == 2
    assert prune_batch(session, before, {JobState.FAILED}).jobs == 1
    session.commit()
    assert failed not in left(session)
    assert done in left(session)


def test_what_an_active_job_still_needs_stays(session: Session) -> None:
    needed, parent = add(session, {}, {})
    active = create_jobs([NewJob(**DEMO, depends_on=[needed]), NewJob(**DEMO, parent_job_id=parent)], session=session)
    session.commit()
    (child,) = add(session, {"parent_job_id": active[0].job_id})
    assert prune_batch(session, ended_before(session, 1)).jobs == 0
    session.execute(update(Job).where(Job.state == "waiting").values(state="cancelled", completed_at=LONG_AGO))
    assert prune_batch(session, ended_before(session, 1)).jobs == 5
    session.commit()
    assert {needed, parent, child} & left(session) == set()
    assert session.scalar(select(func.count()).select_from(JobDependency)) == 0


def test_the_oldest_go_first_and_as_many_as_may(session: Session) -> None:
    ids = [add(session, {}, at=LONG_AGO - timedelta(days=days))[0] for days in (1, 3, 2)]
    assert prune_batch(session, ended_before(session, 1), limit=2).jobs == 2
    session.commit()
    assert left(session) == {ids[0]}


def test_ended_workers_and_old_ticks_go_too(session: Session, engine: Engine) -> None:
    gone, held, alive = (add_worker(engine, lease=lease) for lease in (-9e6, -9e6, 60))
    session.add(ScheduleTick(name="nightly", tick_at=LONG_AGO))
    (job,) = add(session, {})
    session.execute(update(Job).values(state="running", completed_at=None, worker_id=held))
    session.commit()
    pruned = prune_rest(session, ended_before(session, 30))
    session.commit()
    assert (pruned.workers, pruned.ticks) == (1, 1)
    assert set(session.scalars(select(Worker.worker_id))) == {held, alive}
    assert gone not in {held, alive}
    assert left(session) == {job}


@pytest.mark.parametrize("days", [-1, 1e9, float("nan")])
def test_a_span_that_is_none_is_refused(session: Session, days: float) -> None:
    with pytest.raises(InvalidInput, match="older_than_days"):
        ended_before(session, days)


def test_the_job_type_prunes_batch_after_batch(settings: Settings, session: Session, engine: Engine) -> None:
    old = add(session, *[{}] * 5)
    session.rollback()
    processor = JobProcessor(settings)
    processor.register("prune", PruneJob)
    with Session(engine) as own, own.begin():
        first = create_jobs([NewJob("prune", props={"older_than_days": 90, "batch": 2})], session=own)[0].job_id
    processor.run(until_empty=True)
    assert set(old) & left(session) == set()
    results = [job.result for job in session.scalars(select(Job).where(Job.job_type == "prune").order_by(Job.job_id))]
    assert [result["jobs"] for result in results if result] == [2, 2, 1]
    session.rollback()
    assert any("goes on" in line for line in lines(engine, first))
    assert row(engine, first).state == "completed"
