"""What changes about watched jobs and lists is noticed, in few statements, each served by an index."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, text, update
from sqlalchemy.orm import Session

from shared.clock import db_now, db_now_plus
from shared.control import cancel_job, retry_job
from shared.database import make_engine
from shared.enqueue import NewJob, create_job, create_jobs
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobLiveText, JobLog, LlmCall, Queue, Schedule, Worker
from shared.settings import Settings
from shared.views.signatures import TOPICS, signature
from shared.views.watching import (
    BEGINNING,
    Position,
    last_position,
    lines_after,
    lines_of_jobs,
    live_texts,
    place_of,
    states_of_jobs,
)
from tests.support.claims import add_book, add_worker

pytestmark = pytest.mark.integration

LOW, HIGH = "0f000000-0000-4000-8000-000000000000", "f0000000-0000-4000-8000-000000000000"


def add_lines(engine: Engine, job_id: str, *places: tuple[int, int, str]) -> None:
    same = {"job_id": job_id, "level": "INFO", "message": "x", "props": None, "created_at": db_now()}
    with engine.begin() as connection:
        for attempt, seq, claim_id in places:
            connection.execute(insert(JobLog).values(**same, attempt=attempt, seq=seq, claim_id=claim_id))


def test_lines_come_after_a_place_in_the_order_of_attempt_seq_and_claim(engine: Engine, session: Session) -> None:
    order = [(1, 1, HIGH), (1, 2, LOW), (1, 2, HIGH), (1, 10, LOW), (2, 1, LOW)]
    one, two, none = new_id(), new_id(), new_id()
    add_lines(engine, one, *order[::-1])
    add_lines(engine, two, (1, 1, LOW))
    assert last_position(session, none) == BEGINNING
    assert last_position(session, one) == order[-1]
    for at, place in enumerate([BEGINNING, *order]):
        expected = order[at:]
        assert [place_of(line) for line in lines_after(session, one, Position(*place), limit=10)] == expected
        found = lines_of_jobs(session, {one: Position(*place), two: BEGINNING, none: BEGINNING}, limit=2)
        assert [place_of(line) for line in found.get(one, [])] == expected[:2]
        assert [place_of(line) for line in found[two]] == [(1, 1, LOW)]
        assert none not in found
    assert lines_of_jobs(session, {}, limit=2) == {}


@pytest.fixture
def statements(engine: Engine) -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def test_a_hundred_jobs_are_looked_at_in_as_many_statements_as_one(
    postgres_settings: Settings, request: pytest.FixtureRequest
) -> None:
    engine = make_engine(postgres_settings)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: sent.append(statement))
    request.addfinalizer(engine.dispose)
    with Session(engine) as session:
        jobs = [job.job_id for job in create_jobs([NewJob("demo") for _ in range(100)], session=session)]
        session.commit()
        counts = []
        for some in (jobs[:1], jobs):
            sent.clear()
            assert set(states_of_jobs(session, some)) == set(some)
            lines_of_jobs(session, dict.fromkeys(some, BEGINNING), limit=5)
            live_texts(session, dict.fromkeys(some, ("", 0, -1)))
            counts.append(len(sent))
    assert counts[0] == counts[1] <= 6


def test_the_state_of_a_job_counts_its_children_and_its_calls(session: Session) -> None:
    parent = create_job(job_type="demo", session=session)
    session.flush()
    for state in ("waiting", "waiting", "cancelled"):
        child = create_job(job_type="demo", session=session)
        session.flush()
        completed = None if state == "waiting" else db_now()
        values = {"parent_job_id": parent.job_id, "state": state, "completed_at": completed}
        session.execute(update(Job).where(Job.job_id == child.job_id).values(**values))
    for finished in (None, db_now()):
        session.execute(
            insert(LlmCall).values(
                call_id=new_id(), job_id=parent.job_id, attempt=1, seq=1, request_hash="h", provider="p", model="m",
                request={}, status="sent", finished_at=finished,
            )
        )  # fmt: skip
    session.commit()
    found = states_of_jobs(session, [parent.job_id, new_id()])
    assert set(found) == {parent.job_id}
    state = found[parent.job_id]
    assert (state["children"], state["calls"], state["answers"]) == ({"waiting": 2, "cancelled": 1}, 2, 1)
    assert not {"props", "result", "error_trace"} & set(state)


def test_a_text_is_shown_while_its_claim_runs_and_read_only_where_it_is_longer(session: Session) -> None:
    job = create_job(job_type="demo", session=session)
    session.flush()
    claim = new_id()
    mine = Job.job_id == job.job_id
    session.execute(update(Job).where(mine).values(state="running", worker_id=new_id(), claim_id=claim))
    session.execute(insert(JobLiveText).values(job_id=job.job_id, claim_id=claim, call=1, cut=3, text="écrit"))
    session.commit()
    shown = {"job_id": job.job_id, "claim_id": claim, "call": 1, "cut": 3, "text": "écrit"}
    for known, expected in [
        (("", 0, -1), shown),
        ((claim, 1, 7), shown),
        ((claim, 1, 8), None),
        ((claim, 2, 8), shown),
    ]:
        assert live_texts(session, {job.job_id: known}).get(job.job_id) == expected
    session.execute(update(Job).where(mine).values(claim_id=new_id()))
    assert live_texts(session, {job.job_id: ("", 0, -1)}) == {}


def _enqueue(session: Session) -> None:
    create_job(job_type="demo", session=session)


def _run(session: Session) -> None:
    values = {"state": "running", "worker_id": new_id(), "claim_id": new_id()}
    session.execute(update(Job).where(Job.job_id == _first(session)).values(**values))


def _progress(session: Session) -> None:
    session.execute(update(Job).where(Job.state == "running").values(progress=0.5))


def _complete(session: Session) -> None:
    values = {"state": "completed", "completed_at": db_now(), "worker_id": None}
    session.execute(update(Job).where(Job.state == "running").values(**values))


def _retry(session: Session) -> None:
    retry_job(_first(session), session=session)


def _cancel(session: Session) -> None:
    cancel_job(_first(session), session=session)


def _first(session: Session) -> str:
    return str(session.query(Job).order_by(Job.job_id).first().job_id)  # type: ignore[union-attr]


LIFE: tuple[Callable[[Session], None], ...] = (_enqueue, _run, _progress, _complete, _retry, _cancel, _enqueue)


def test_every_step_of_a_jobs_life_changes_the_lists_that_show_it(session: Session) -> None:
    seen = [signature(session, "jobs")]
    for step in LIFE:
        step(session)
        session.commit()
        assert signature(session, "jobs") == signature(session, "jobs")
        seen.append(signature(session, "jobs"))
    assert len(set(seen)) == len(seen), seen


def test_each_topic_changes_with_what_it_is_about_and_with_nothing_else(session: Session, engine: Engine) -> None:
    book, other = add_book(engine, "one"), add_book(engine, "two")
    worker = add_worker(engine, lease=60)
    chunk = new_id()
    session.add(Chunk(chunk_id=chunk, version=1, book_id=book, is_latest=True, type="scene", text="", position=1.0,
                      word_count=0, props={}, is_deleted=False))  # fmt: skip
    session.commit()
    of_worker = update(Worker).where(Worker.worker_id == worker)
    changes: list[tuple[Any, set[str]]] = [
        (insert(Queue).values(queue="slow", max_running=3), {"queues"}),
        (update(Queue).values(paused_at=db_now()), {"queues"}),
        (insert(Schedule).values(name="nightly", cron="0 3 * * *", job_type="demo", props={}), {"schedules"}),
        (
            of_worker.values(heartbeat_at=db_now(), lease_until=db_now_plus(90)),
            set(),
        ),
        (of_worker.values(trouble="no disk"), {"workers"}),
        (of_worker.values(lease_until=db_now_plus(-1)), {"workers"}),
        (update(Book).where(Book.book_id == book).values(locked_by_job_id=new_id()), {"books", "this book"}),
        (update(Book).where(Book.book_id == other).values(locked_by_job_id=new_id()), {"books"}),
        (update(Chunk).where(Chunk.chunk_id == chunk).values(locked_by_job_id=new_id()), {"this book"}),
    ]

    def look() -> dict[str, str]:
        return {topic: signature(session, topic) for topic in TOPICS} | {
            "this book": signature(session, "books", book),
            "its jobs": signature(session, "jobs", book),
        }

    before = look()
    for statement, expected in changes:
        session.execute(statement)
        session.commit()
        after = look()
        assert {name for name in after if after[name] != before[name]} == expected, statement
        before = after
    create_job(job_type="export_book", book_id=book, props={"format": "epub"}, session=session)
    session.commit()
    assert {name for name, seen in look().items() if seen != before[name]} == {"jobs", "this book", "its jobs"}


def test_no_signature_reads_a_table_of_history_from_end_to_end(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    asked: list[tuple[str, Any]] = []
    with Session(engine) as session:
        book = add_book(engine)
        session.execute(text("SET enable_seqscan = off"))  # the tables are empty: what has an index uses it
        event.listen(engine, "before_cursor_execute", lambda _c, _u, sql, values, *_: asked.append((sql, values)))
        for topic in ("jobs", "books"):
            signature(session, topic)
            signature(session, topic, book)
        states_of_jobs(session, [book])
        lines_of_jobs(session, {book: BEGINNING}, limit=5)
        live_texts(session, {book: ("", 0, -1)})
        plans = {}
        for sql, values in [*asked]:
            rows = session.connection().exec_driver_sql(f"EXPLAIN {sql}", values)
            plans[sql] = "\n".join(row[0] for row in rows)
    engine.dispose()
    assert len(plans) >= 8
    assert {sql: plan for sql, plan in plans.items() if "Seq Scan" in plan} == {}
