"""Many jobs at once: what a filter fits, what is called off, what runs again, and what is left alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from shared import bulk
from shared.bulk import Batch, JobFilter, cancel_matching, count_matching, retry_matching
from shared.clock import db_now
from shared.enqueue import NewJob, create_jobs
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.job_types import AnyProps, JobType, catalogue
from shared.models import Job
from shared.states import JobState
from tests.support.racing import race
from tests.support.running import row

pytestmark = pytest.mark.integration

TYPES = ("plain", "other")


@pytest.fixture(autouse=True)
def _types() -> None:
    for name in TYPES:
        catalogue().add(JobType(name, AnyProps))


def add(session: Session, *new_jobs: NewJob) -> list[str]:
    jobs = create_jobs(new_jobs, session=session)
    session.commit()
    return [job.job_id for job in jobs]


def end(session: Session, state: str, *job_ids: str) -> None:
    ended = update(Job).where(Job.job_id.in_(job_ids))
    session.execute(ended.values(state=state, completed_at=db_now(), attempt=1, error_message="it broke"))
    session.commit()


def to_the_end(engine: Engine, step: Callable[[Session, str | None], Batch]) -> int:
    """Batch after batch, each in a transaction of its own; returns how many jobs were changed."""
    changed, after = 0, None
    while True:
        with Session(engine) as session, session.begin():
            batch = step(session, after)
        changed, after = changed + batch.changed, batch.last
        if after is None:
            return changed


def states(engine: Engine, *job_ids: str) -> list[str]:
    return [row(engine, job_id).state for job_id in job_ids]


def test_a_filter_fits_by_every_value_it_has(session: Session) -> None:
    (parent,) = add(session, NewJob("plain"))
    (child,) = add(session, NewJob("other", queue="side", parent_job_id=parent))
    for filters, expected in (
        (JobFilter(), 2),
        (JobFilter(state="waiting"), 2),
        (JobFilter(state="running"), 0),
        (JobFilter(job_type="other"), 1),
        (JobFilter(queue="default"), 1),
        (JobFilter(parent_job_id=parent), 1),
        (JobFilter(book_id=new_id()), 0),
        (JobFilter(last_job_id=parent), 1),
        (JobFilter(older_than=datetime.now(UTC) - timedelta(hours=1)), 0),
        (JobFilter(older_than=datetime.now(UTC) + timedelta(hours=1), job_type="other", queue="side"), 1),
    ):
        assert count_matching(session, filters).number == expected, filters
    assert session.scalars(bulk.matching(JobFilter(job_type="other"))).all() == [child]


@pytest.mark.parametrize(
    "values", [{"state": "done"}, {"book_id": "x"}, {"queue": "a\x00"}, {"job_type": "x" * 65}, {"parent_job_id": ""}]
)
def test_a_filter_that_can_fit_nothing_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        JobFilter(**values)  # type: ignore[arg-type]
    assert refused.value.field in values


def test_counting_ends_where_nobody_wants_to_know(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    add(session, *[NewJob("plain") for _ in range(6)])
    monkeypatch.setattr(bulk, "COUNTED", 5)
    assert (str(count_matching(session, JobFilter())), str(count_matching(session, JobFilter(queue="x")))) == (
        "5+",
        "0",
    )


def test_all_that_fit_are_called_off_and_no_others(session: Session, engine: Engine) -> None:
    wanted = add(session, *[NewJob("plain", queue="side") for _ in range(7)])
    kept = add(session, NewJob("plain"), NewJob("other", queue="side"))
    done = add(session, NewJob("plain", queue="side"))
    end(session, "completed", *done)
    filters = JobFilter(job_type="plain", queue="side")
    assert to_the_end(engine, lambda session, after: cancel_matching(session, filters, after=after, limit=3)) == 7
    assert set(states(engine, *wanted)) == {"cancelled"}
    assert states(engine, *kept, *done) == ["waiting", "waiting", "completed"]


def test_running_jobs_are_asked_and_what_they_started_is_called_off(session: Session, engine: Engine) -> None:
    (parent,) = add(session, NewJob("plain"))
    claim(engine, Claimant(new_id(), TYPES), 5)
    child, dependent = add(session, NewJob("other", parent_job_id=parent), NewJob("other", depends_on=[parent]))
    batch = cancel_matching(session, JobFilter(job_type="plain"))
    session.commit()
    assert (batch.changed, batch.asked, batch.last) == (0, 1, None)
    assert states(engine, parent, child, dependent) == ["running", "cancelled", "cancelled"]
    assert row(engine, parent).cancel_requested_at is not None


def test_failures_run_again_and_only_what_is_asked_for(session: Session, engine: Engine) -> None:
    failed, broken, gone, done = add(session, *[NewJob("plain") for _ in range(4)])
    for job_id, state in ((failed, "failed"), (broken, "error"), (gone, "cancelled"), (done, "completed")):
        end(session, state, job_id)
    assert to_the_end(engine, lambda session, after: retry_matching(session, JobFilter(), after=after, limit=1)) == 2
    assert states(engine, failed, broken, gone, done) == ["waiting", "waiting", "cancelled", "completed"]
    again = row(engine, broken)
    assert (again.error_message, again.max_attempts, again.llm_epoch) == (None, 2, 0)
    retry_matching(session, JobFilter(state="cancelled"), fresh=True)
    session.commit()
    assert (row(engine, gone).state, row(engine, gone).llm_epoch) == ("waiting", 1)


def test_a_job_whose_key_is_taken_is_skipped_and_the_others_run_again(session: Session, engine: Engine) -> None:
    old, first, second = add(
        session, NewJob("plain"), NewJob("plain", unique_key="k"), NewJob("plain", unique_key="own")
    )
    end(session, "error", old, first, second)
    (holder,) = add(session, NewJob("plain", unique_key="k"))
    batch = retry_matching(session, JobFilter())
    session.commit()
    assert (batch.changed, list(batch.skipped)) == (2, [first])
    assert states(engine, old, first, second, holder) == ["waiting", "error", "waiting", "waiting"]


def test_of_two_ended_jobs_with_one_key_one_runs_again(session: Session, engine: Engine) -> None:
    twins = []
    for _ in range(2):
        twins += add(session, NewJob("plain", unique_key="k"))
        end(session, "failed", twins[-1])
    assert retry_matching(session, JobFilter()).changed == 1
    session.commit()
    assert sorted(states(engine, *twins)) == ["failed", "waiting"]


def test_states_that_make_no_sense_are_refused(session: Session) -> None:
    with pytest.raises(InvalidInput, match="nothing to cancel"):
        cancel_matching(session, JobFilter(state="completed"))
    with pytest.raises(InvalidInput, match="has not ended"):
        retry_matching(session, JobFilter(state="running"))


def test_cancelling_in_bulk_from_many_sides_ends_well(session: Session, engine: Engine) -> None:
    """Families are locked in the order of their ids, whoever is whose child; any other order could deadlock."""
    parents = add(session, *[NewJob("plain") for _ in range(20)])
    children = add(session, *[NewJob("other", parent_job_id=parents[-1 - number % 20]) for number in range(60)])

    def all_of(name: str) -> int:
        filters = JobFilter(job_type=name)
        return to_the_end(engine, lambda session, after: cancel_matching(session, filters, after=after, limit=7))

    ended = race(*[lambda name=name: all_of(name) for name in TYPES * 4])  # type: ignore[misc]
    assert [one for one in ended if isinstance(one, BaseException)] == []
    assert set(states(engine, *parents, *children)) == {JobState.CANCELLED}
