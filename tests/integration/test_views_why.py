"""The facts behind "why is it waiting?" are read rightly from both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from shared.clock import db_now_plus
from shared.enqueue import NewJob, create_job, create_jobs
from shared.errors import NotFound
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobTypeLimit, Queue, Worker
from shared.why import explain

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def worker(session: Session) -> str:
    """A live worker that knows every type the tests use."""
    return add_worker(session, job_types=["demo", "create_foundation", "generate_chunk"])


def add_worker(session: Session, **values: Any) -> str:
    about = {"name": "w", "hostname": "h", "pid": 1, "version": "0", "queues": [], "job_types": [], "concurrency": 1}
    worker_id = new_id()
    session.execute(insert(Worker).values(worker_id=worker_id, **({"lease_until": db_now_plus(60)} | about | values)))
    return worker_id


def demo(session: Session, **values: Any) -> str:
    job_id = create_job(job_type="demo", session=session, **values).job_id
    session.flush()
    return job_id


@pytest.fixture
def scene(session: Session) -> Chunk:
    """A scene of a new book."""
    book = Book(book_id=new_id(), title="T", props={})
    session.add(book)
    session.flush()
    chunk = Chunk(chunk_id=new_id(), book_id=book.book_id, type="scene", version=1, props={})
    session.add(chunk)
    session.flush()
    return chunk


def write_scene(session: Session, scene: Chunk, **values: Any) -> str:
    job = create_job(
        job_type="generate_chunk", book_id=scene.book_id, chunk_id=scene.chunk_id, session=session, **values
    )
    session.flush()
    return job.job_id


def found(session: Session, scene: Chunk, **values: Any) -> str:
    job = create_job(job_type="create_foundation", book_id=scene.book_id, session=session, **values)
    session.flush()
    return job.job_id


def test_a_job_that_could_run_has_its_place_in_line(session: Session) -> None:
    low, first, second = demo(session, priority=-1), demo(session), demo(session)
    urgent = demo(session, priority=9)
    demo(session, queue="other", priority=99)
    demo(session, priority=99, run_at=datetime.now(UTC) + timedelta(hours=1))
    demo(session, priority=99, depends_on=[low])
    for place, job_id in enumerate([urgent, first, second, low], start=1):
        assert explain(session, job_id) == f"next in line, position {place}"


def test_a_scheduled_job_says_when(session: Session) -> None:
    assert "2999-01-01 00:00:00 UTC" in explain(session, demo(session, run_at=datetime(2999, 1, 1, tzinfo=UTC)))


def test_a_blocked_job_names_what_blocks_it_until_that_is_done(session: Session) -> None:
    needed = demo(session)
    blocked = demo(session, depends_on=[needed])
    awaiting = create_jobs([NewJob("demo", awaits=[needed])], session=session)[0].job_id
    session.flush()
    assert explain(session, blocked) == f"blocked until other jobs are done: {needed} (waiting)"
    assert needed in explain(session, awaiting)
    ended = update(Job).where(Job.job_id == needed).values(completed_at=datetime.now(UTC))
    session.execute(ended.values(state="failed"))
    assert explain(session, blocked) == f"blocked until other jobs are done: {needed} (failed)"
    assert explain(session, awaiting).startswith("next in line")
    session.execute(ended.values(state="completed"))
    assert explain(session, blocked).startswith("next in line")


def test_a_paused_or_full_queue_is_named(session: Session) -> None:
    waiting = demo(session)
    queue = Queue(queue="default", paused_at=datetime.now(UTC), max_running=None)
    session.add(queue)
    session.flush()
    assert "is paused" in explain(session, waiting)
    session.execute(update(Queue).values(paused_at=None, max_running=1))
    assert explain(session, waiting).startswith("next in line")
    running = demo(session)
    session.execute(update(Job).where(Job.job_id == running).values(state="running", worker_id=new_id()))
    assert "its limit is 1" in explain(session, waiting)
    session.delete(queue)
    session.add(JobTypeLimit(job_type="demo", max_running=1))
    session.flush()
    assert explain(session, waiting) == "1 jobs of type 'demo' run, the limit is 1"


def test_a_locked_book_names_the_job_that_holds_it(session: Session, scene: Chunk) -> None:
    holder, book_job, chunk_job = new_id(), found(session, scene), write_scene(session, scene)
    session.execute(update(Book).values(locked_by_job_id=holder))
    for job_id in (book_job, chunk_job):
        assert explain(session, job_id) == f"the book is locked by job {holder}"
    assert explain(session, demo(session, book_id=scene.book_id)).startswith("next in line")


def test_a_locked_chunk_holds_back_jobs_on_it_and_on_the_whole_book(session: Session, scene: Chunk) -> None:
    holder, book_job = new_id(), found(session, scene, priority=9)
    session.execute(update(Chunk).values(locked_by_job_id=holder))
    assert explain(session, book_job) == f"a chunk it needs is locked by job {holder}"
    assert explain(session, write_scene(session, scene)) == f"a chunk it needs is locked by job {holder}"
    other = Chunk(chunk_id=new_id(), book_id=scene.book_id, type="scene", version=1, props={})
    session.add(other)
    session.flush()
    assert holder not in explain(session, write_scene(session, other, priority=10))


def test_a_chunk_job_does_not_overtake_a_job_on_the_whole_book(session: Session, scene: Chunk) -> None:
    before, book_job, after = write_scene(session, scene), found(session, scene), write_scene(session, scene)
    assert explain(session, before).startswith("next in line")
    assert explain(session, after).startswith(f"job {before}, which needs the same book or chunk")
    urgent = write_scene(session, scene, priority=5)
    assert explain(session, urgent).startswith("next in line")
    session.execute(update(Job).where(Job.job_id == before).values(run_at=db_now_plus(3600)))
    assert book_job in explain(session, after) or urgent in explain(session, after)


def test_workers_that_are_gone_or_know_other_things_do_not_count(session: Session, worker: str) -> None:
    waiting = demo(session)
    of_worker = update(Worker).where(Worker.worker_id == worker)
    session.execute(of_worker.values(queues=["other"]))
    assert explain(session, waiting) == "no live worker that knows 'demo' serves the queue 'default'"
    session.execute(of_worker.values(job_types=["export_book"]))
    assert explain(session, waiting) == "no live worker knows the job type 'demo'"
    session.execute(of_worker.values(job_types=["demo"], queues=[], lease_until=db_now_plus(-1)))
    assert explain(session, waiting).startswith("no worker is running")
    session.execute(of_worker.values(lease_until=db_now_plus(60)))
    assert explain(session, waiting).startswith("next in line")
    session.execute(of_worker.values(lease_until=None))
    assert explain(session, waiting).startswith("no worker is running")
    session.execute(of_worker.values(lease_until=db_now_plus(60)))
    for state in ("stopped", "draining"):
        session.execute(of_worker.values(state=state))
        assert explain(session, waiting).startswith("no worker is running")


def test_workers_that_are_paused_are_named_only_where_no_other_could_run_the_job(session: Session, worker: str) -> None:
    waiting, other = demo(session), demo(session, queue="other")
    of_worker = update(Worker).where(Worker.worker_id == worker)
    session.execute(of_worker.values(state="paused"))
    assert explain(session, waiting) == "the workers that know 'demo' are paused"
    session.execute(of_worker.values(lease_until=db_now_plus(-1)))
    assert explain(session, waiting).startswith("no worker is running")
    session.execute(of_worker.values(lease_until=db_now_plus(60)))
    add_worker(session, job_types=["export_book"])
    assert explain(session, waiting) == "the workers that know 'demo' are paused"
    session.execute(of_worker.values(queues=["other"]))
    assert explain(session, waiting) == "no live worker knows the job type 'demo'"
    add_worker(session, job_types=["demo"], queues=["default"])
    assert explain(session, waiting).startswith("next in line")
    assert explain(session, other) == "the workers that know 'demo' and serve the queue 'other' are paused"


def test_workers_in_trouble_are_named_only_where_no_other_could_run_the_job(session: Session, worker: str) -> None:
    waiting = demo(session)
    session.execute(update(Worker).where(Worker.worker_id == worker).values(trouble="the disk is full"))
    assert explain(session, waiting) == "the workers that could run it can do no work: the disk is full"
    add_worker(session, job_types=["demo"])
    assert explain(session, waiting).startswith("next in line")


def test_a_suspect_waits_for_the_one_that_runs_or_comes_first(session: Session) -> None:
    first, innocent, second = demo(session), demo(session), demo(session)
    session.execute(update(Job).where(Job.job_id.in_([first, second])).values(losses=2))
    assert f"job {first}: which of them kills" in explain(session, second)
    for job_id in (first, innocent):
        assert explain(session, job_id).startswith("next in line")
    session.execute(update(Job).where(Job.job_id == second).values(state="running", worker_id=new_id()))
    assert f"job {second}: which of them kills" in explain(session, first)


def test_a_job_that_does_not_wait_or_does_not_exist_is_told_apart(session: Session) -> None:
    running = demo(session)
    session.execute(update(Job).where(Job.job_id == running).values(state="running", worker_id=new_id()))
    assert explain(session, running) == "not waiting: it is running"
    with pytest.raises(NotFound):
        explain(session, new_id())
