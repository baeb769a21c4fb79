"""Beats: what they write, what their answer brings, and what a worker does that cannot beat."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.orm import Session

from bookbot_worker.condition import Condition
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.lease import Lease
from bookbot_worker.maintenance.heartbeat import Heartbeat
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.workers import beat, close_worker, describe_worker
from shared.clock import db_now
from shared.control import cancel_job
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Job, SchemaInfo, Worker
from shared.settings import Settings
from tests.support.claims import claimed
from tests.support.running import enqueue, eventually, name_of, processor_for, row, running

pytestmark = pytest.mark.integration

BEATS_OFTEN = {"heartbeat_seconds": 0.1, "lease_seconds": 2.0, "poll_seconds": 0.1}


class Plain(BaseJob):
    def execute(self) -> bool:
        return True


def description(settings: Settings) -> dict[str, Any]:
    return describe_worker(new_id(), settings, ("plain",))


def test_a_beat_announces_the_worker_and_moves_its_lease_by_the_database_s_clock(
    settings: Settings, engine: Engine
) -> None:
    worker = description(settings)
    beat(engine, worker, 20, "running", None)
    left = []
    for state, trouble in (("paused", None), ("draining", "something")):
        beat(engine, worker, 20, state, trouble)
        with engine.connect() as connection:
            found = connection.execute(select(Worker, db_now().label("now"))).one()
        assert (found.worker_id, found.state, found.trouble) == (worker["worker_id"], state, trouble)
        left.append((found.lease_until - found.now).total_seconds())
    assert all(0 < seconds <= 20 for seconds in left)
    close_worker(engine, worker["worker_id"])
    with engine.connect() as connection:
        found = connection.execute(select(Worker.state, Worker.lease_until <= db_now())).one()
    assert tuple(found) == ("stopped", True)


def test_the_first_beat_does_not_say_that_none_has_come(settings: Settings, engine: Engine) -> None:
    """The worker claims before its second beat; until then the row would call it troubled."""
    lease = Lease(20)
    condition = Condition(lease, lambda: None, stuck_after=60)
    assert condition.trouble() == "no beat has reached the database yet"
    Heartbeat(engine, description(settings), lease, condition, 60).beat()
    with engine.connect() as connection:
        assert connection.execute(select(Worker.state, Worker.trouble)).one() == ("running", None)


def test_a_worker_whose_row_was_lost_is_known_again_at_the_next_beat(settings: Settings, engine: Engine) -> None:
    worker = description(settings)
    beat(engine, worker, 20, "running", None)
    with engine.begin() as connection:
        connection.execute(delete(Worker))
    beat(engine, worker, 20, "running", None)
    with engine.connect() as connection:
        assert connection.scalar(select(Worker.name)) == settings.worker_name


def test_the_answer_says_what_runs_here_and_who_was_cancelled(settings: Settings, engine: Engine) -> None:
    worker = description(settings)
    jobs = [enqueue(engine, Plain) for _ in range(3)]
    attempts = {attempt.job_id: attempt.claim_id for attempt in claimed(engine, worker["worker_id"], Plain)}
    enqueue(engine, Plain)
    claimed(engine, new_id(), Plain)
    with Session(engine) as session, session.begin():
        cancel_job(jobs[1], session=session)
    answer = beat(engine, worker, 20, "running", None)
    assert answer.claims == {attempts[job]: job for job in jobs}
    assert answer.cancelled == {attempts[jobs[1]]}
    with Session(engine) as session:
        assert answer.oldest_worker == session.scalar(select(SchemaInfo.oldest_worker))
    assert (answer.server_seconds is None) == (engine.dialect.name == "sqlite")
    assert beat(engine, description(settings), 20, "running", None).claims == {}


def test_the_answer_says_whether_another_worker_may_be_dead(settings: Settings, engine: Engine) -> None:
    ours, other = description(settings), description(settings)
    suspicions: list[str] = []
    condition = Condition(Lease(20.0), lambda: None, 60.0)
    heartbeat = Heartbeat(engine, ours, condition.lease, condition, 60.0, lambda: suspicions.append("now"))

    def may_be_dead() -> bool:
        heartbeat.run_once()
        return heartbeat.others_may_be_dead

    enqueue(engine, Plain)
    claimed(engine, ours["worker_id"], Plain)
    beat(engine, other, 20, "running", None)
    assert not may_be_dead(), "only we run a job, and the other one beats"
    enqueue(engine, Plain)
    claimed(engine, other["worker_id"], Plain)
    assert may_be_dead(), "it runs one; whether it lives is for the rescuer to say"
    assert may_be_dead()
    with engine.begin() as connection:
        connection.execute(update(Job).values(state="waiting", worker_id=None, claim_id=None, started_at=None))
    assert not may_be_dead()
    beat(engine, other, -1, "running", None)
    assert may_be_dead(), "it is silent: it may hold rows"
    close_worker(engine, other["worker_id"])
    assert not may_be_dead(), "it has said farewell"
    assert suspicions == ["now"] * 2


def test_on_postgresql_a_beat_is_one_statement_and_leaves_nothing_to_vacuum(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings).execution_options(isolation_level="AUTOCOMMIT")
    worker = description(postgres_settings)
    with engine.connect() as connection:
        for _ in range(30):
            beat(engine, worker, 20, "running", None)
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        updates = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'workers'"
        counts = eventually(lambda: next(iter(connection.execute(text(updates)).all()), (0, 0)))
    assert counts[1] == counts[0]
    engine.dispose()


class Waits(BaseJob):
    started = threading.Event()
    ended: list[str] = []  # noqa: RUF012 - what became of the threads

    def execute(self) -> bool:
        Waits.started.set()
        try:
            self.wait(timedelta(seconds=60))
        except BaseException as error:
            Waits.ended.append(str(error))
            raise
        return True


@pytest.fixture
def waits() -> type[Waits]:
    Waits.started.clear()
    Waits.ended.clear()
    return Waits


def test_a_cancel_reaches_a_worker_by_its_beat_alone(
    settings: Settings, engine: Engine, waits: type[Waits], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No poll, no notice: the beat is the last of three ways, and enough."""
    monkeypatch.setattr("bookbot_worker.processor.JobProcessor._pass_on_cancels", lambda _self: None)
    processor = processor_for(settings.model_copy(update=BEATS_OFTEN), waits)
    with running(processor):
        job_id = enqueue(engine, waits)
        assert waits.started.wait(20)
        with Session(engine) as session, session.begin():
            cancel_job(job_id, session=session)
        eventually(lambda: row(engine, job_id).state == "cancelled")
    assert waits.ended == ["cancel"]


def test_a_job_that_was_lost_to_another_worker_stops_spending(
    settings: Settings, engine: Engine, waits: type[Waits]
) -> None:
    processor = processor_for(settings.model_copy(update=BEATS_OFTEN), waits)
    with running(processor):
        job_id = enqueue(engine, waits)
        assert waits.started.wait(20)
        other = new_id()
        with engine.begin() as connection:
            connection.execute(update(Job).values(claim_id=other, worker_id=new_id(), attempt=2))
        eventually(lambda: waits.ended)
        eventually(lambda: processor._at_work.is_idle)
        job = row(engine, job_id)
        assert (job.state, job.claim_id, job.attempt) == ("running", other, 2)
    assert waits.ended == ["lost"]


def test_jobs_claimed_by_a_commit_whose_answer_was_lost_are_run_after_all(settings: Settings, engine: Engine) -> None:
    processor = processor_for(settings.model_copy(update=BEATS_OFTEN), Plain)
    processor.startup()
    jobs = [enqueue(engine, Plain) for _ in range(3)]
    claim(engine, Claimant(processor.parts.worker_id, (name_of(Plain),)), 10)  # and nobody heard the answer
    with structlog.testing.capture_logs() as seen:

        def all_done() -> bool:
            processor.cycle()
            return all(row(engine, job).state == "completed" for job in jobs)

        eventually(all_done)
    processor.shutdown()
    assert {row(engine, job).attempt for job in jobs} == {1}
    assert [event["jobs"] for event in seen if event["event"] == "claim.in_doubt"] == [3]


def test_a_worker_that_cannot_beat_claims_nothing_until_it_can(settings: Settings, engine: Engine) -> None:
    processor = processor_for(settings.model_copy(update=BEATS_OFTEN | {"heartbeat_seconds": 0.5}), Plain)
    processor.startup()
    processor.parts.heartbeat.stop()
    eventually(lambda: not processor.lease.is_trusted)
    job_id = enqueue(engine, Plain)
    with structlog.testing.capture_logs() as seen:
        processor.cycle()
        processor.cycle()
        assert row(engine, job_id).state == "waiting"
        assert str(processor.condition.trouble()).startswith("no beat has reached the database for")
        processor.parts.heartbeat.run_once()
        processor.cycle()
        assert row(engine, job_id).state in ("running", "completed")
    assert [event["event"] for event in seen if event["event"].startswith("worker.")] == [
        "worker.cannot_work",
        "worker.works_again",
    ]
    processor.shutdown()


def test_a_worker_whose_loop_is_stuck_stops_beating(settings: Settings, engine: Engine) -> None:
    """Else its jobs would never be settled, and never be rescued."""
    clock = [1000.0]
    lease = Lease(20, lambda: clock[0])
    condition = Condition(lease, lambda: None, stuck_after=60)
    heartbeat = Heartbeat(engine, description(settings), lease, condition, 4)
    condition.turn_begins()
    heartbeat.run_once()
    assert lease.is_trusted
    clock[0] += 61
    with structlog.testing.capture_logs() as seen:
        heartbeat.run_once()
        assert not lease.is_trusted
        condition.turn_ends()
        heartbeat.run_once()
    assert lease.is_trusted
    assert [(event["event"], event.get("reason")) for event in seen] == [
        ("beat.missed", "the loop is stuck"),
        ("beat.back", None),
    ]


def test_a_beat_that_fails_is_noted_and_ends_nothing(tmp_path: object) -> None:
    settings = Settings(database_url=SecretStr(f"sqlite:///{tmp_path}/no-tables.db"))
    engine = make_engine(settings)
    lease = Lease(20)
    lease.renewed(lease.clock())
    heartbeat = Heartbeat(engine, description(settings), lease, Condition(lease, lambda: None, 60), 4)
    with structlog.testing.capture_logs() as seen:
        heartbeat.run_once()
        heartbeat.run_once()
    assert [event["event"] for event in seen] == ["beat.missed"]
    assert heartbeat.pause() <= 1
    engine.dispose()


def test_a_worker_that_is_too_old_for_the_schema_finishes_and_ends_with_78(settings: Settings, engine: Engine) -> None:
    class Lingers(BaseJob):
        go = threading.Event()

        def execute(self) -> bool:
            return Lingers.go.wait(30)

    processor = processor_for(settings.model_copy(update=BEATS_OFTEN), Lingers)
    with running(processor):
        job_id = enqueue(engine, Lingers)
        eventually(lambda: row(engine, job_id).state == "running")
        with engine.begin() as connection:
            connection.execute(update(SchemaInfo).values(oldest_worker="9999"))
        eventually(lambda: processor.exit_code)
        later = enqueue(engine, Lingers)
        Lingers.go.set()
        eventually(lambda: row(engine, job_id).state == "completed")
    assert processor.exit_code == 78
    assert row(engine, later).state == "waiting"
