"""The figures of the database for /metrics: what they count, and that counting stays cheap."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text, update
from sqlalchemy.orm import Session

from shared.clock import db_now, db_now_plus
from shared.database import read_only
from shared.enqueue import NewJob, create_job, create_jobs
from shared.ids import new_id
from shared.models import Job, Queue, Worker
from shared.views import metrics
from shared.views.metrics import load_figures

pytestmark = pytest.mark.integration


def add_worker(session: Session, *, lease: float = 20, **values: Any) -> str:
    """A worker whose lease is over in so many seconds."""
    about = {"name": "w", "hostname": "h", "pid": 1, "version": "0", "queues": [], "job_types": [], "concurrency": 1}
    worker = Worker(worker_id=new_id(), lease_until=db_now_plus(lease), **(about | values))
    session.add(worker)
    session.flush()
    return worker.worker_id


def add_running(session: Session, worker_id: str, *, since: float, queue: str = "default") -> None:
    """A job that this worker has been running for so many seconds."""
    job = create_job(job_type="demo", queue=queue, session=session)
    session.flush()
    running = {"state": "running", "worker_id": worker_id, "started_at": db_now_plus(-since), "attempt": 1}
    session.execute(update(Job).where(Job.job_id == job.job_id).values(**running))


def test_of_an_empty_database_there_is_nothing_to_tell(session: Session) -> None:
    figures = load_figures(session)
    assert (figures["queues"], figures["is_capped"]) == ({}, False)
    assert figures["workers"] == {"running": 0, "paused": 0, "draining": 0, "in_trouble": 0}


def test_waiting_jobs_are_told_apart_by_what_they_wait_for(session: Session) -> None:
    first = create_job(job_type="demo", session=session)
    create_job(job_type="demo", session=session, depends_on=[first.job_id])
    create_job(job_type="demo", session=session, run_at=datetime.now(UTC) + timedelta(hours=1))
    create_job(job_type="demo", session=session, queue="other")
    session.add(Queue(queue="other", paused_at=db_now()))
    session.flush()
    long_ago = {"created_at": db_now_plus(-600), "run_at": db_now_plus(-500), "attempt": 1}
    session.execute(update(Job).where(Job.job_id == first.job_id).values(**long_ago))
    queues = load_figures(session)["queues"]
    assert set(queues) == {"default", "other"}
    default, other = queues["default"], queues["other"]
    assert (default["ready"], default["blocked"], default["scheduled"], default["tried_before"]) == (1, 1, 1, 1)
    assert 499 <= default["oldest_ready_seconds"] <= 530
    assert (default["is_paused"], other["is_paused"], other["ready"]) == (False, True, 1)
    assert other["oldest_ready_seconds"] < 60


def test_a_job_is_not_older_than_its_row_whatever_its_run_at_says(session: Session) -> None:
    create_job(job_type="demo", session=session, run_at=datetime(2001, 1, 1, tzinfo=UTC))
    session.flush()
    assert load_figures(session)["queues"]["default"]["oldest_ready_seconds"] < 60


def test_running_jobs_without_a_live_worker_are_told_from_the_others(session: Session) -> None:
    add_running(session, add_worker(session), since=100)
    add_running(session, add_worker(session, lease=-40), since=300)
    add_running(session, new_id(), since=50)
    queue = load_figures(session)["queues"]["default"]
    assert (queue["running"], queue["orphaned"]) == (3, 2)
    assert 299 <= queue["oldest_running_seconds"] <= 330
    assert 49 <= queue["oldest_orphan_seconds"] <= 80


def test_workers_are_counted_by_what_they_can_do(session: Session) -> None:
    add_worker(session)
    add_worker(session, trouble="every slot is lost")
    add_worker(session, state="paused")
    add_worker(session, state="draining", trouble="no beat")
    add_worker(session, lease=-1)
    add_worker(session, state="stopped")
    assert load_figures(session)["workers"] == {"running": 1, "paused": 1, "draining": 1, "in_trouble": 1}


def test_of_a_long_backlog_only_the_first_are_counted(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "COUNTED", 5)
    create_jobs([NewJob("demo") for _ in range(5)], session=session)
    session.flush()
    assert load_figures(session)["is_capped"] is False
    create_jobs([NewJob("demo", priority=-1, queue="low") for _ in range(3)], session=session)
    session.flush()
    figures = load_figures(session)
    assert figures["is_capped"] is True
    assert figures["queues"]["default"]["ready"] == 5


def test_only_postgresql_tells_about_dead_rows_and_old_transactions(engine: Engine) -> None:
    with Session(read_only(engine)) as other, Session(read_only(engine)) as session:
        other.execute(text("SELECT 1"))
        figures = load_figures(session)
        if engine.dialect.name == "sqlite":
            assert (figures["tables"], figures["oldest_transaction_seconds"]) == ({}, None)
        else:
            assert {"jobs", "job_logs", "llm_calls"} <= set(figures["tables"])
            assert set(figures["tables"]["jobs"]) == {"live", "dead"}
            assert 0 < figures["oldest_transaction_seconds"] < 60


def test_no_question_reads_the_history(engine: Engine) -> None:
    """With 20,000 jobs that have ended, every question about jobs is answered by a partial index."""
    with Session(engine) as session:
        create_jobs([NewJob("demo") for _ in range(20_000)], session=session)
        session.flush()
        session.execute(update(Job).values(state="completed", completed_at=db_now()))
        create_jobs([NewJob("demo") for _ in range(100)], session=session)
        session.commit()
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("ANALYZE" if is_sqlite else "ANALYZE jobs"))
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "jobs" in statement and statement.startswith("SELECT") and "pg_" not in statement:
            how = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
            told = connection.connection.cursor()
            told.execute(how + statement, parameters)
            plans.append("\n".join(str(row[-1]) for row in told.fetchall()))

    event.listen(engine, "before_cursor_execute", explain)
    with Session(engine) as session:
        load_figures(session)
    assert len(plans) == 2
    assert "jobs_claim" in plans[0]
    assert "jobs_running_by_worker" in plans[1]
    for plan in plans:
        assert "Seq Scan on jobs" not in plan
        assert "SCAN jobs\n" not in f"{plan}\n"
