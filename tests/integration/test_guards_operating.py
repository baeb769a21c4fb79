"""Each guard of queues, requests and pruning in the one schedule that needs it; see test_guards.py."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, pace, parts
from bookbot_worker.golden_rule import READS_KEPT
from bookbot_worker.moving.copying import copy
from bookbot_worker.queue.limits import Limited, within_limits
from bookbot_worker.queue.locks import Candidate
from bookbot_worker.rule_events import watch
from bookbot_worker.unit_of_work import UnitOfWork, guarded
from shared.clock import db_now
from shared.database import make_engine
from shared.enqueue import create_job
from shared.errors import Conflict
from shared.ids import new_id
from shared.models import Book, Job, Queue, Worker
from shared.pruning import ended_before, prune_batch
from shared.requests import request_cancel
from shared.settings import Settings
from shared.worker_requests import ask_worker
from tests.support.claims import add_worker
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration


class Deaf:
    """Hints that never come, as through a pooler or a listening connection that is dead and does not know."""

    tick: float | None = None
    is_fresh = False

    def __init__(self, _engine: Engine) -> None:
        pass

    def fileno(self) -> int | None:
        return None

    def changed(self) -> bool:
        return False

    def listen_anew(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def deaf(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A worker of these settings hears nothing, and looks by itself every ten minutes."""
    monkeypatch.setattr(parts, "change_hints", Deaf)
    return settings.model_copy(update={"poll_seconds": 600.0, "heartbeat_seconds": 300.0, "lease_seconds": 1000.0})


class Plain(BaseJob):
    def execute(self) -> bool:
        return True


class Holds(BaseJob):
    """Until all have what they wait for."""

    go = threading.Event()

    def execute(self) -> bool:
        return self.go.wait(30)


def test_a_queue_that_is_paused_between_the_look_and_the_lock_starts_nothing(session: Session, engine: Engine) -> None:
    """Its jobs were candidates a moment ago."""
    session.add_all(
        [Queue(queue="shut", max_running=3, paused_at=datetime.now(UTC)), Queue(queue="narrow", max_running=1)]
    )
    session.commit()
    found = [Candidate(new_id(), None, queue=queue, job_type="plain") for queue in ("shut", "narrow", "narrow")]
    with engine.begin() as connection:
        within = within_limits(connection, found)
    assert [one.queue for one in within.allowed] == ["narrow"]
    assert Limited("queue", "shut") in within.full


def test_a_slot_that_was_held_back_for_company_is_filled_though_none_comes(
    deaf: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing happens meanwhile that would wake the loop: the other nine jobs wait for the last one."""
    monkeypatch.setattr(pace, "HOLD_BACK", 1.0)
    Holds.go.clear()
    processor = processor_for(deaf.model_copy(update={"concurrency": 10}), Plain, Holds)
    for job_class in (Plain, *[Holds] * 9):
        enqueue(engine, job_class)
    last = enqueue(engine, Plain)
    with running(processor):
        try:
            eventually(lambda: row(engine, last).state == "completed")
        finally:
            Holds.go.set()


def test_a_worker_that_hears_no_hint_carries_requests_out_at_its_next_beat(deaf: Settings, engine: Engine) -> None:
    beating = deaf.model_copy(update={"heartbeat_seconds": 0.2, "lease_seconds": 20.0})
    later = enqueue(engine, Plain, run_at=datetime.now(UTC) + timedelta(days=1))
    with running(processor_for(beating, Plain)) as processor:
        eventually(lambda: hasattr(processor, "parts") and processor.parts.requests.pause() > 60)  # it has looked once
        with Session(engine) as session, session.begin():
            request_cancel(later, session=session)
        eventually(lambda: row(engine, later).state == "cancelled")


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_worker_that_was_asked_to_drain_hears_nothing_else(session: Session, engine: Engine, state: str) -> None:
    worker = add_worker(engine, lease=60)
    assert ask_worker(worker, "draining", session=session) == [worker]
    session.commit()
    with pytest.raises(Conflict, match="drains already"):
        ask_worker(worker, state, session=session)
    session.rollback()
    assert session.scalars(select(Worker.requested_state)).all() == ["draining"]


def test_a_job_in_another_s_hands_is_not_pruned_nor_waited_for(postgres_settings: Settings) -> None:
    """Somebody is about to retry it."""
    engine = make_engine(postgres_settings)
    with Session(engine) as session:
        ids = [create_job(job_type="demo", session=session).job_id for _ in range(2)]
        session.execute(update(Job).values(state="failed", completed_at=db_now()))
        session.commit()
    with Session(engine) as holder, Session(engine) as session:
        holder.scalars(select(Job).where(Job.job_id == ids[0]).with_for_update()).one()
        session.connection().exec_driver_sql("SET lock_timeout = '5s'")
        assert prune_batch(session, ended_before(session, 0)).jobs == 1
        session.commit()
        assert session.scalars(select(Job.job_id)).all() == [ids[0]]
    engine.dispose()


@pytest.mark.parametrize("queries", [0, READS_KEPT + 1])
def test_a_job_that_notified_somebody_has_work_after_however_many_queries(
    postgres_settings: Settings, queries: int
) -> None:
    """A notice leaves no trace until the commit; and not every query is remembered."""
    watch()
    engine = make_engine(postgres_settings)
    unit = UnitOfWork(guarded(engine), before_write=lambda: None, warn=lambda _text: None)
    for _ in range(queries):
        unit.session.get(Book, "01920000-0000-7000-8000-000000000000")
    assert unit.has_work() is (queries > READS_KEPT)
    unit.session.execute(text("SELECT pg_notify('anybody', '')"))
    assert unit.has_work()
    unit.discard()
    engine.dispose()


def test_a_copy_that_lost_a_row_on_the_way_is_given_up(sqlite_settings: Settings, postgres_settings: Settings) -> None:
    """Something in the target swallows what is inserted, and says that all is well."""
    source, target = make_engine(sqlite_settings), make_engine(postgres_settings)
    with Session(source) as session, session.begin():
        create_job(job_type="demo", session=session)
    with target.begin() as connection:
        connection.execute(text("CREATE RULE swallows AS ON INSERT TO jobs DO INSTEAD NOTHING"))
    with (
        source.connect() as there,
        target.connect() as here,
        pytest.raises(Conflict, match="jobs: 1 rows were read, 0"),
    ):
        copy(there, here)
    source.dispose()
    target.dispose()
