"""Putting jobs into the queue: joined to a transaction, once only, and never half."""

import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from bookbot_worker.outcomes import Completed, Failed, Outcome
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.queue.settle import settle_together
from bookbot_worker.queue.settlement import Settlement
from shared.control import cancel_job
from shared.database import make_engine
from shared.enqueue import BULK_FROM, NewJob, create_job, create_jobs
from shared.errors import BookbotError, InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobDependency
from shared.settings import Settings

pytestmark = pytest.mark.integration


def stored(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(select(Job.job_id).order_by(Job.job_id)))


def needs(engine: Engine) -> set[tuple[str, str, str]]:
    with Session(engine) as session:
        return {(row.job_id, row.depends_on_job_id, row.needs) for row in session.query(JobDependency)}


def a_deep_object(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"job_type": "demoo"}, "job_type"),
        ({"job_type": None}, "job_type"),
        ({"book_id": "no id"}, "book_id"),
        ({"book_id": 5}, "book_id"),
        ({"job_type": "create_foundation"}, "book_id"),
        ({"job_type": "generate_chunk", "book_id": "BOOK"}, "chunk_id"),
        ({"job_type": "generate_chunk", "book_id": "BOOK", "chunk_id": "x"}, "chunk_id"),
        ({"props": {"steps": 0}}, "props.steps"),
        ({"props": {"stepps": 1}}, "props.stepps"),
        ({"props": {"seconds": float("nan")}}, "props.seconds"),
        ({"props": {"a": "\x00"}}, "props.a"),
        ({"props": {"a": "\ud800"}}, "props.a"),
        ({"props": {"a\x00": 1}}, "props"),
        ({"props": {"a": 10**5000}}, "props.a"),
        ({"props": {"a": object()}}, "props.a"),
        ({"props": {"a": "x" * 70_000}}, "props"),
        ({"props": a_deep_object(20_000)}, "props"),
        ({"props": ["a list"]}, "props"),
        ({"queue": "x" * 65}, "queue"),
        ({"queue": "a\x00"}, "queue"),
        ({"priority": 2**31}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"run_at": datetime(2026, 1, 1)}, "run_at"),  # noqa: DTZ001 - that is the mistake
        ({"run_at": "tomorrow"}, "run_at"),
        ({"queue": 5}, "queue"),
        ({"queue": ""}, "queue"),
        ({"unique_key": " "}, "unique_key"),
        ({"parent_job_id": ""}, "parent_job_id"),
        ({"props": []}, "props"),
        ({"props": {"seconds": 10**4200}}, "props.seconds"),
        ({"job_type": "generate_book"}, "book_id"),
        ({"job_type": "export_book"}, "book_id"),
        ({"unique_key": 5}, "unique_key"),
        ({"max_attempts": "many"}, "max_attempts"),
        ({"unique_key": "x" * 256}, "unique_key"),
        ({"unique_key": "a\x00"}, "unique_key"),
        ({"parent_job_id": "x"}, "parent_job_id"),
        ({"depends_on": ["x"]}, "depends_on"),
        ({"awaits": ["x"]}, "depends_on"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 1001}, "max_attempts"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(engine: Engine, values: dict[str, Any], field: str) -> None:
    with Session(engine) as session:
        session.add(book := Book(book_id=new_id(), title="the caller's own"))
        session.flush()
        given = {"job_type": "demo"} | {k: book.book_id if v == "BOOK" else v for k, v in values.items()}
        with pytest.raises(InvalidInput) as refused:
            create_job(session=session, **given)
        session.commit()
    assert refused.value.field.startswith(field)
    assert len(str(refused.value)) < 400
    assert stored(engine) == []


@pytest.mark.parametrize("name", ["book_id", "parent_job_id", "depends_on", "awaits"])
def test_what_is_named_must_exist(engine: Engine, name: str) -> None:
    missing = new_id()
    value: Any = missing if name.endswith("id") else [missing]
    with Session(engine) as session, pytest.raises(NotFound, match=missing):
        create_job(job_type="demo", session=session, **{name: value})
    assert stored(engine) == []


def test_a_chunk_of_another_book_is_not_found(engine: Engine) -> None:
    with Session(engine) as session:
        one, other = Book(book_id=new_id(), title="one"), Book(book_id=new_id(), title="other")
        chunk = Chunk(chunk_id=new_id(), book_id=one.book_id, type="scene")
        session.add_all([one, other])
        session.flush()
        session.add(chunk)
        session.commit()
        with pytest.raises(NotFound, match="chunk of this book"):
            create_job(job_type="generate_chunk", book_id=other.book_id, chunk_id=chunk.chunk_id, session=session)
        job = create_job(
            job_type="generate_chunk", book_id=one.book_id, props={"chunk_id": chunk.chunk_id}, session=session
        )
        assert job.chunk_id == chunk.chunk_id
        with pytest.raises(InvalidInput, match=r"props\.chunk_id"):
            create_job(
                job_type="generate_chunk",
                book_id=one.book_id,
                chunk_id=chunk.chunk_id,
                props={"chunk_id": new_id()},
                session=session,
            )


@pytest.mark.parametrize("count", [3, BULK_FROM + 3])
def test_many_are_stored_in_the_order_given_or_not_at_all(engine: Engine, count: int) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    new_jobs = [NewJob("demo", props={"steps": number + 1}, run_at=later if number % 2 else None)
                for number in range(count)]  # fmt: skip
    with Session(engine) as session:
        jobs = create_jobs(new_jobs, session=session)
        assert [job.job_id for job in jobs] == [new.job_id for new in new_jobs]
        session.rollback()
    assert stored(engine) == []
    with Session(engine) as session, pytest.raises(InvalidInput):
        create_jobs([*new_jobs, NewJob("demo", props={"steps": 0})], session=session)
    assert stored(engine) == []
    with Session(engine) as session:
        create_jobs(new_jobs, session=session)
        session.commit()
        rows = session.query(Job).order_by(Job.job_id).all()
    assert [row.props["steps"] for row in rows] == list(range(1, count + 1))
    assert [row.run_at > datetime.now(UTC) for row in rows] == [bool(number % 2) for number in range(count)]


@pytest.mark.parametrize("count", [3, BULK_FROM + 3])
def test_a_later_job_of_one_call_may_wait_for_an_earlier_one(engine: Engine, count: int) -> None:
    chain: list[NewJob] = []
    for _ in range(count):
        chain.append(NewJob("demo", depends_on=[chain[-1].job_id] if chain else []))
    with Session(engine) as session:
        create_jobs(chain, session=session)
        session.commit()
    assert needs(engine) == {(b.job_id, a.job_id, "completed") for a, b in itertools.pairwise(chain)}


def test_jobs_cannot_wait_for_themselves_or_for_each_other(engine: Engine) -> None:
    own = new_id()
    first = NewJob("demo")
    with Session(engine) as session:
        with pytest.raises(NotFound, match=own):
            create_jobs([NewJob("demo", job_id=own, depends_on=[own])], session=session)
        with pytest.raises(NotFound, match=first.job_id):
            create_jobs([NewJob("demo", depends_on=[first.job_id]), first], session=session)
        with pytest.raises(InvalidInput, match="make a NewJob for each"):
            create_jobs([first] * 2, session=session)
    assert stored(engine) == []


def test_a_job_that_both_needs_and_awaits_another_needs_it(engine: Engine) -> None:
    with Session(engine) as session:
        first = create_job(job_type="demo", session=session)
        second = create_job(job_type="demo", depends_on=[first.job_id], awaits=[first.job_id] * 2, session=session)
        session.commit()
        assert needs(engine) == {(second.job_id, first.job_id, "completed")}


def test_while_a_key_is_held_everybody_gets_its_holder(engine: Engine) -> None:
    with Session(engine) as session:
        first = create_job(job_type="demo", unique_key="k", props={"steps": 1}, session=session)
        again = create_job(job_type="demo", unique_key="k", props={"steps": 2}, session=session)
        other = create_job(job_type="demo", unique_key="another", session=session)
        assert again.job_id == first.job_id != other.job_id
        assert again.props == {"steps": 1}
        session.commit()
        cancel_job(first.job_id, session=session)
        free = create_job(job_type="demo", unique_key="k", session=session)
        assert free.job_id != first.job_id
        session.commit()


def test_what_depends_on_a_job_whose_key_is_held_depends_on_the_holder(engine: Engine) -> None:
    with Session(engine) as session:
        holder = create_job(job_type="demo", unique_key="k", session=session)
        session.commit()
        twin = NewJob("demo", unique_key="k")
        after = NewJob("demo", depends_on=[twin.job_id])
        assert [job.job_id for job in create_jobs([twin, after], session=session)] == [holder.job_id, after.job_id]
        session.commit()
        assert needs(engine) == {(after.job_id, holder.job_id, "completed")}


def test_twenty_callers_at_once_get_one_job(engine: Engine) -> None:
    starting_line = threading.Barrier(20)
    found: list[str] = []
    problems: list[BaseException] = []

    def one() -> None:
        try:
            starting_line.wait(20)
            with Session(engine) as session:
                job = create_job(job_type="demo", unique_key="the same request", session=session)
                session.commit()
                found.append(job.job_id)
        except BaseException as error:  # noqa: BLE001 - reported by the test
            problems.append(error)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert len(found) == 20
    assert set(found) == set(stored(engine))
    assert len(stored(engine)) == 1


@pytest.mark.usefixtures("environment")
def test_without_a_session_it_is_committed_at_once_and_what_is_wrong_leaves_nothing(engine: Engine) -> None:
    job = create_job(job_type="demo", priority=3)
    assert (job.state, job.priority) == ("waiting", 3)
    assert stored(engine) == [job.job_id]
    with pytest.raises(BookbotError):
        create_jobs([NewJob("demo"), NewJob("demo", depends_on=[new_id()])])
    assert stored(engine) == [job.job_id]


def test_the_databases_clock_says_when_a_job_was_made(engine: Engine) -> None:
    with Session(engine) as session:
        job = create_job(job_type="demo", session=session)
        session.commit()
        assert abs(job.created_at - job.run_at) < timedelta(minutes=1)  # one INSERT, its clock read twice
        assert session.scalar(select(func.count()).where(Job.created_at.is_not(None))) == 1


def test_a_deleted_chunk_is_not_found(engine: Engine) -> None:
    with Session(engine) as session:
        session.add(book := Book(book_id=new_id(), title="one"))
        session.flush()
        session.add(chunk := Chunk(chunk_id=new_id(), book_id=book.book_id, type="scene", is_deleted=True))
        session.flush()
        with pytest.raises(NotFound, match="chunk of this book"):
            create_job(job_type="generate_chunk", book_id=book.book_id, chunk_id=chunk.chunk_id, session=session)


@pytest.mark.parametrize("count", [1, BULK_FROM])
def test_a_job_that_needs_one_which_has_already_failed_is_cancelled_at_once(engine: Engine, count: int) -> None:
    with Session(engine) as session:
        lost = create_job(job_type="demo", session=session)
        session.commit()
        cancel_job(lost.job_id, session=session)
        session.commit()
        needy = [NewJob("demo", depends_on=[lost.job_id]) for _ in range(count)]
        patient = NewJob("demo", awaits=[lost.job_id])
        jobs = create_jobs([*needy, patient], session=session)
        assert [job.state for job in jobs] == ["cancelled"] * count + ["waiting"]
        session.commit()
        sentence = f"Not started: job {lost.job_id}, which it depends on, did not complete."
    with Session(engine) as session:
        ended = session.query(Job).filter(Job.job_id.in_([new.job_id for new in needy])).all()
    assert {job.error_message for job in ended} == {sentence}


@pytest.mark.parametrize("outcome", [Failed("no"), Completed()], ids=["failed", "completed"])
def test_a_job_that_needs_one_which_is_just_ending_is_never_forgotten(
    postgres_settings: Settings, outcome: Outcome
) -> None:
    """The new job is not committed yet when the one it needs ends: neither transaction sees the other's rows."""
    engine = make_engine(postgres_settings)
    with Session(engine) as session:
        first = create_job(job_type="demo", session=session).job_id
        session.commit()
    (job,) = claim(engine, Claimant(new_id(), ("demo",)), 1)
    settlement = Settlement(Candidate(first, None), str(job.claim_id), outcome)
    with Session(engine) as session:
        needy = create_job(job_type="demo", depends_on=[first], session=session).job_id
        ending = threading.Thread(target=lambda: settle_together(engine, [settlement]))
        ending.start()
        ending.join(0.3)
        session.commit()
        ending.join(20)
    with Session(engine) as session:
        assert session.get_one(Job, first).completed_at is not None
        assert session.get_one(Job, needy).state == ("waiting" if isinstance(outcome, Completed) else "cancelled")
    engine.dispose()
