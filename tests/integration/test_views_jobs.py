"""What lists and pages of jobs show, on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.errors import InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Job, JobLog
from shared.views import (
    active_job_with_key,
    count_jobs_by_state,
    find_id,
    get_job,
    job_logs,
    jsonable,
    list_descendants,
    list_jobs,
)

pytestmark = pytest.mark.integration


def add(session: Session, **values: Any) -> str:
    job_id = create_job(job_type="demo", session=session, **values).job_id
    session.flush()
    return job_id


def put(session: Session, job_id: str, state: str, **values: Any) -> None:
    """Write a state straight into the row."""
    ended = {"completed_at": datetime.now(UTC)} if state not in ("waiting", "running") else {}
    worker = {"worker_id": new_id()} if state == "running" else {}
    session.execute(update(Job).where(Job.job_id == job_id).values(state=state, **ended, **worker, **values))


def test_jobs_are_listed_newest_first_and_page_by_page_without_gap_or_repeat(session: Session) -> None:
    added = [add(session) for _ in range(5)]
    first = [row["job_id"] for row in list_jobs(session, limit=2)]
    second = [row["job_id"] for row in list_jobs(session, limit=2, before=first[-1])]
    third = [row["job_id"] for row in list_jobs(session, limit=2, before=second[-1])]
    assert first + second + third == added[::-1]


def test_every_filter_narrows_the_list(session: Session) -> None:
    parent = add(session)
    child = add(session, parent_job_id=parent, queue="slow")
    put(session, parent, "running")
    assert [row["job_id"] for row in list_jobs(session, state="running")] == [parent]
    assert [row["job_id"] for row in list_jobs(session, queue="slow")] == [child]
    assert [row["job_id"] for row in list_jobs(session, parent_job_id=parent)] == [child]
    assert list_jobs(session, job_type="export_book") == []
    assert list_jobs(session, book_id=new_id()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"state": "done"}, {"job_type": "a\x00"}, {"queue": "\ud800"}, {"book_id": "1"}, {"before": "x"}, {"limit": 0}],
)
def test_a_wrong_filter_is_refused_by_its_name(session: Session, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        list_jobs(session, **wrong)
    assert caught.value.field in wrong


@pytest.mark.parametrize("hostile", ["' OR 1=1 --", "%", "_", "demo'; DROP TABLE jobs; --"])
def test_sql_in_a_filter_is_only_text(session: Session, hostile: str) -> None:
    add(session)
    assert list_jobs(session, job_type=hostile) == list_jobs(session, queue=hostile) == []
    assert len(list_jobs(session)) == 1


def test_a_list_holds_no_props_and_no_traces(session: Session) -> None:
    add(session, props={"steps": 3})
    assert not {"props", "result", "error_trace"} & list_jobs(session)[0].keys()
    assert get_job(session, list_jobs(session)[0]["job_id"])["props"] == {"steps": 3}


def test_a_parent_shows_what_its_children_add_up_to(session: Session) -> None:
    parent = add(session)
    done, half, grandchild = (add(session, parent_job_id=parent) for _ in range(3))
    put(session, parent, "running", cost_usd=0.5)
    put(session, done, "failed", cost_usd=0.25)
    put(session, half, "running", progress=0.5)
    session.execute(update(Job).where(Job.job_id == grandchild).values(parent_job_id=half))
    shown = get_job(session, parent)
    assert shown["children"] == {"failed": 1, "running": 1, "waiting": 1}
    assert shown["rolled_progress"] == pytest.approx(0.5)
    assert shown["rolled_cost_usd"] == pytest.approx(0.75)
    assert [row["job_id"] for row in list_descendants(session, parent)] == [done, half, grandchild]


def test_a_job_without_children_shows_its_own_progress(session: Session) -> None:
    job_id = add(session)
    put(session, job_id, "running", progress=0.25)
    assert get_job(session, job_id)["rolled_progress"] == pytest.approx(0.25)
    assert get_job(session, job_id)["children"] == {}


def test_an_id_is_found_by_its_unique_beginning(session: Session) -> None:
    wanted, other = "abcd1234-0000-7000-8000-000000000001", "abcdffff-ffff-7fff-bfff-ffffffffffff"
    template = {"job_type": "demo", "props": {}}
    session.add_all([Job(job_id=wanted, **template), Job(job_id=other, **template)])
    session.flush()
    for given in ("abcd1", "ABCD1234-00", wanted, wanted.replace("-", "")):
        assert find_id(session, Job.job_id, "job", given) == wanted
    assert find_id(session, Job.job_id, "job", "abcdf") == other
    with pytest.raises(InvalidInput, match="fits several"):
        find_id(session, Job.job_id, "job", "abcd")
    with pytest.raises(NotFound):
        find_id(session, Job.job_id, "job", "abce")
    for given in ("abc", "", "xyz!", wanted + "0", "％", "٣٣٣٣"):
        with pytest.raises(InvalidInput):
            find_id(session, Job.job_id, "job", given)


def test_logs_are_read_in_order_from_where_the_reader_stopped(session: Session) -> None:
    job_id, claim_id = add(session), new_id()
    for attempt, seq, level in [(2, 1, "INFO"), (1, 2, "ERROR"), (1, 10, "INFO"), (1, 1, "DEBUG")]:
        line = {"level": level, "message": f"{attempt}.{seq}", "props": None, "created_at": datetime.now(UTC)}
        session.add(JobLog(job_id=job_id, claim_id=claim_id, attempt=attempt, seq=seq, **line))
    session.flush()
    assert [row["message"] for row in job_logs(session, job_id)] == ["1.1", "1.2", "1.10", "2.1"]
    assert [row["message"] for row in job_logs(session, job_id, after=(1, 2))] == ["1.10", "2.1"]
    assert [row["message"] for row in job_logs(session, job_id, level="error")] == ["1.2"]
    assert [row["message"] for row in job_logs(session, job_id, limit=1)] == ["1.1"]
    with pytest.raises(InvalidInput):
        job_logs(session, job_id, level="loud")


def test_what_waits_and_runs_is_counted_exactly(session: Session) -> None:
    for state in ("waiting", "running", "running", "completed"):
        put(session, add(session), state)
    assert count_jobs_by_state(session) == {"waiting": 1, "running": 2}


def test_only_an_active_job_holds_its_key(session: Session) -> None:
    job_id = add(session, unique_key="k")
    assert active_job_with_key(session, "k") == job_id
    put(session, job_id, "completed")
    assert active_job_with_key(session, "k") is None
    assert active_job_with_key(session, None) is None


def test_instants_leave_as_iso_8601_in_utc(session: Session) -> None:
    add(session, run_at=datetime(2030, 1, 31, 9, 0, 0, 5, tzinfo=UTC))
    assert jsonable(list_jobs(session))[0]["run_at"] == "2030-01-31T09:00:00.000005Z"
