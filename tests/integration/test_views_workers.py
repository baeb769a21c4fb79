"""Which workers are listed, as what, and with which jobs, on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from shared.clock import db_now, db_now_plus
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Book, Job, Worker
from shared.views import jsonable, list_workers

pytestmark = pytest.mark.integration

HOUR = 3600


def add(session: Session, name: str = "w", *, beat: float = 0, **values: Any) -> str:
    """A worker that said `beat` seconds ago that it lives, and has a lease unless the values say otherwise."""
    about = {
        "hostname": "h", "pid": 1, "version": "0", "queues": [], "job_types": ["demo"], "concurrency": 1,
        "heartbeat_at": db_now_plus(-beat), "lease_until": db_now_plus(20),
    }  # fmt: skip
    worker_id = new_id()
    session.execute(insert(Worker).values(worker_id=worker_id, name=name, **(about | values)))
    return worker_id


def run(session: Session, worker_id: str, **values: Any) -> str:
    """A job that this worker runs."""
    job_id = create_job(job_type="demo", session=session).job_id
    session.flush()
    running = {"state": "running", "worker_id": worker_id, "started_at": db_now()}
    session.execute(update(Job).where(Job.job_id == job_id).values(**(running | values)))
    return job_id


def listed(session: Session, **options: Any) -> dict[str, str]:
    """The state of each worker listed, by name, in their order."""
    return {row["name"]: row["state"] for row in list_workers(session, **options)}


def test_where_there_are_no_workers_the_list_is_empty(session: Session) -> None:
    assert list_workers(session) == list_workers(session, include_ended=True) == []


def test_a_worker_is_shown_with_its_columns_and_what_the_view_adds(session: Session) -> None:
    worker_id = add(session, "W", queues=["slow"], concurrency=7, trouble="no beat", process="secret", beat=5)
    [row] = list_workers(session)
    assert set(row) == set(Worker.__table__.columns.keys()) - {"process"} | {"seconds_since_beat", "jobs"}
    assert (row["worker_id"], row["name"], row["hostname"], row["pid"]) == (worker_id, "W", "h", 1)
    assert (row["queues"], row["job_types"], row["concurrency"]) == (["slow"], ["demo"], 7)
    assert (row["state"], row["trouble"], row["jobs"]) == ("running", "no beat", [])
    assert row["lease_until"] > row["heartbeat_at"]
    assert jsonable(row)["started_at"].endswith("Z")


def test_a_worker_is_what_it_says_while_it_has_a_lease_and_lost_afterwards(session: Session) -> None:
    for state in ("running", "paused", "draining", "stopped"):
        add(session, state, state=state)
        add(session, f"{state} once", state=state, lease_until=db_now_plus(-0.01))
        add(session, f"{state} never", state=state, lease_until=None)
    assert listed(session) == {
        **{state: state for state in ("running", "paused", "draining", "stopped")},
        **{f"{state} {when}": "lost" for state in ("running", "paused", "draining") for when in ("once", "never")},
        **{f"stopped {when}": "stopped" for when in ("once", "never")},
    }


def test_live_workers_come_first_then_the_newest(session: Session) -> None:
    add(session, "old", started_at=db_now_plus(-300))
    add(session, "ended", state="stopped", started_at=db_now_plus(-10))
    add(session, "new", state="paused", started_at=db_now_plus(-100))
    add(session, "lost", lease_until=None, started_at=db_now_plus(-20))
    add(session, "middle", started_at=db_now_plus(-200))
    assert list(listed(session)) == ["new", "middle", "old", "ended", "lost"]


def test_workers_of_one_instant_have_an_order_too(session: Session) -> None:
    now = datetime.now(UTC)
    added = [add(session, started_at=now) for _ in range(5)]
    assert [row["worker_id"] for row in list_workers(session)] == added[::-1]


def test_what_ended_an_hour_ago_is_shown_only_when_asked_for(session: Session) -> None:
    add(session, "stopped", state="stopped", beat=HOUR + 5)
    add(session, "lost", lease_until=db_now_plus(-HOUR), beat=HOUR + 5)
    add(session, "stopped lately", state="stopped", beat=HOUR - 60)
    add(session, "lost lately", lease_until=None, beat=HOUR - 60)
    add(session, "slow to beat", beat=HOUR + 5)
    holder = add(session, "lost with a job", lease_until=None, beat=HOUR + 5)
    run(session, holder)
    assert set(listed(session)) == {"stopped lately", "lost lately", "slow to beat", "lost with a job"}
    assert set(listed(session, include_ended=True)) == {*listed(session), "stopped", "lost"}
    session.execute(update(Job).values(state="waiting", worker_id=None))
    assert "lost with a job" not in listed(session)


def test_a_worker_shows_the_jobs_it_runs_now_the_longest_first(session: Session) -> None:
    book_id = new_id()
    session.add(Book(book_id=book_id, title="T", props={}))
    session.flush()
    busy, other, idle = add(session, "busy"), add(session, "other"), add(session, "idle")
    second = run(session, busy, started_at=db_now_plus(-5))
    first = run(session, busy, started_at=db_now_plus(-50), progress=0.25, progress_message="here", book_id=book_id)
    elsewhere = run(session, other)
    run(session, new_id())  # of a worker whose row is gone
    ended = {"state": "completed", "worker_id": None, "completed_at": db_now()}
    session.execute(update(Job).where(Job.job_id == run(session, busy)).values(**ended))
    jobs = {row["worker_id"]: row["jobs"] for row in list_workers(session)}
    assert {worker: [job["job_id"] for job in found] for worker, found in jobs.items()} == {
        busy: [first, second], other: [elsewhere], idle: [],
    }  # fmt: skip
    started_at = session.scalar(select(Job.started_at).where(Job.job_id == first))
    assert jobs[busy][0] == {
        "job_id": first, "job_type": "demo", "book_id": book_id, "started_at": started_at,
        "progress": 0.25, "progress_message": "here",
    }  # fmt: skip


def test_the_time_since_the_last_beat_is_by_the_clock_of_the_database(session: Session) -> None:
    add(session, "beats", beat=7.5)
    add(session, "from the future", beat=-500)
    since = {row["name"]: row["seconds_since_beat"] for row in list_workers(session)}
    assert 7.4 <= since["beats"] < 12
    assert since["beats"] == round(since["beats"], 1)
    assert since["from the future"] == 0


def test_many_workers_are_two_statements_and_no_limit_of_parameters(session: Session) -> None:
    row = {
        "name": "w", "hostname": "h", "pid": 1, "version": "0", "queues": [], "job_types": [], "concurrency": 1,
        "state": "stopped",
    }  # fmt: skip
    session.execute(insert(Worker), [row | {"worker_id": new_id()} for _ in range(3000)])
    assert len(list_workers(session)) == 3000
