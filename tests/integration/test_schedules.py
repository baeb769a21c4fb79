"""Schedules: a tick makes one job, whoever comes for it, and what is wrong with one is seen."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bookbot_worker.maintenance.scheduler import Scheduler
from shared.clock import db_now, db_now_plus
from shared.errors import Conflict, InvalidInput, NotFound, UnknownJobType
from shared.ids import new_id
from shared.models import Book, Job, Schedule, ScheduleTick
from shared.schedules import (
    create_schedule,
    delete_schedule,
    disable_schedule,
    enable_schedule,
    run_schedule_now,
)
from shared.views import get_schedule, list_schedules
from tests.support.racing import race

pytestmark = pytest.mark.integration

QUICK = {"steps": 1, "seconds": 0}


def nightly(session: Session, **values: object) -> None:
    create_schedule("nightly", **({"cron": "0 3 * * *", "job_type": "demo", "props": QUICK} | values), session=session)  # type: ignore[arg-type]
    session.commit()


def due_since(session: Session, since: timedelta, name: str = "nightly") -> None:
    """As if nobody had come for its ticks for so long."""
    seconds = -since.total_seconds()
    session.execute(update(Schedule).where(Schedule.name == name).values(next_run_at=db_now_plus(seconds)))
    session.commit()


def jobs(engine: Engine) -> list[Job]:
    with Session(engine) as session:
        return list(session.scalars(select(Job).order_by(Job.job_id)))


def look(engine: Engine, *job_types: str) -> None:
    Scheduler(engine, job_types or ("demo",)).run_once()


def test_a_due_tick_makes_one_job_and_the_next_is_later(session: Session, engine: Engine) -> None:
    nightly(session, queue="night", priority=-3)
    look(engine)
    assert jobs(engine) == []
    due_since(session, timedelta(days=1))
    look(engine)
    look(engine)
    (job,) = jobs(engine)
    assert (job.job_type, job.props, job.queue, job.priority, job.state) == ("demo", QUICK, "night", -3, "waiting")
    (row,) = list_schedules(session)
    assert (row["last_job_id"], row["last_job_state"]) == (job.job_id, "waiting")
    assert row["last_enqueued_at"] is not None
    assert row["next_run_at"] > datetime.now(UTC)
    assert row["next_ticks"][0] == row["next_run_at"]
    assert len(set(row["next_ticks"])) == 3


@pytest.mark.parametrize(("policy", "expected"), [("all", 3), ("once", 1), ("skip", 0)])
def test_what_was_missed_is_caught_up_as_it_says(session: Session, engine: Engine, policy: str, expected: int) -> None:
    hour = (session.scalars(select(db_now())).one() - timedelta(hours=2)).hour
    nightly(session, catch_up=policy, cron=f"0 {hour} * * *")
    due_since(session, timedelta(days=3))
    look(engine)
    assert len(jobs(engine)) == expected
    assert get_schedule(session, "nightly")["next_run_at"] > datetime.now(UTC)


def test_twelve_schedulers_make_one_job_of_a_tick(session: Session, engine: Engine) -> None:
    for number in range(10):
        create_schedule(f"s{number}", cron="0 3 * * *", job_type="demo", props=QUICK, session=session)
    session.execute(update(Schedule).values(next_run_at=db_now_plus(-100_000)))
    session.commit()
    assert race(*[lambda: look(engine)] * 12) == [None] * 12
    assert len(jobs(engine)) == 10
    assert len(session.scalars(select(ScheduleTick)).all()) == 10


def test_a_tick_that_was_dealt_with_is_not_dealt_with_again(session: Session, engine: Engine) -> None:
    """Also where a clock was set back, or the schedule was given the same tick once more."""
    nightly(session)
    for _ in range(2):
        due_since(session, timedelta(days=1))
        look(engine)
    assert len(jobs(engine)) == 1


def test_a_disabled_schedule_is_silent_and_catches_nothing_up(session: Session, engine: Engine) -> None:
    nightly(session, catch_up="all")
    due_since(session, timedelta(days=3))
    disable_schedule("nightly", session=session)
    session.commit()
    look(engine)
    assert list_schedules(session)[0]["next_ticks"] == []
    session.rollback()
    enable_schedule("nightly", session=session)
    session.commit()
    look(engine)
    assert jobs(engine) == []
    assert get_schedule(session, "nightly")["next_run_at"] > datetime.now(UTC)


def test_run_now_makes_a_job_beside_the_ticks(session: Session, engine: Engine) -> None:
    nightly(session)
    before = get_schedule(session, "nightly")["next_run_at"]
    session.rollback()
    disable_schedule("nightly", session=session)
    job = run_schedule_now("nightly", session=session)
    session.commit()
    assert [one.job_id for one in jobs(engine)] == [job.job_id]
    enable_schedule("nightly", session=session)
    session.commit()
    assert get_schedule(session, "nightly")["next_run_at"] == before


def test_a_schedule_whose_book_is_gone_says_so_and_goes_on(session: Session, engine: Engine) -> None:
    book = Book(book_id=new_id(), title="gone soon")
    session.add(book)
    session.commit()
    nightly(session, job_type="export_book", book_id=book.book_id, props={"format": "epub"})
    due_since(session, timedelta(days=1))
    session.delete(book)
    session.commit()
    look(engine, "export_book")
    (row,) = list_schedules(session)
    session.rollback()
    assert jobs(engine) == []
    assert "there is no book" in row["trouble"]
    assert row["next_run_at"] > datetime.now(UTC)
    assert session.scalars(select(ScheduleTick)).all() == []


def test_a_schedule_of_a_type_nobody_knows_waits_and_is_overdue(session: Session, engine: Engine) -> None:
    nightly(session)
    due_since(session, timedelta(hours=1))
    scheduler = Scheduler(engine, ["another"])
    scheduler.run_once()
    assert scheduler.pause() > 1
    assert list_schedules(session)[0]["is_overdue"]
    session.rollback()
    look(engine)
    session.rollback()
    assert not list_schedules(session)[0]["is_overdue"]


def test_the_scheduler_sleeps_until_the_next_tick(session: Session, engine: Engine) -> None:
    nightly(session)
    scheduler = Scheduler(engine, ["demo"])
    due_since(session, timedelta(seconds=-3))
    scheduler.run_once()
    assert 0 < scheduler.pause() <= 3
    delete_schedule("nightly", session=session)
    session.commit()
    scheduler.run_once()
    assert 3 < scheduler.pause() <= 15


def test_what_cannot_work_is_refused_before_it_is_stored(session: Session) -> None:
    nightly(session)
    for error, values in (
        (Conflict, {}),
        (UnknownJobType, {"job_type": "demoo"}),
        (InvalidInput, {"props": {"steps": 0}}),
        (InvalidInput, {"cron": "x"}),
        (InvalidInput, {"timezone": "x"}),
        (InvalidInput, {"catch_up": "sometimes"}),
        (InvalidInput, {"queue": " "}),
        (InvalidInput, {"priority": 2**40}),
        (InvalidInput, {"job_type": "generate_book"}),
        (NotFound, {"job_type": "generate_book", "book_id": new_id(), "props": {}}),
    ):
        with pytest.raises(error):
            nightly(session, **values)
        session.rollback()
    for act in (enable_schedule, disable_schedule, run_schedule_now, delete_schedule):
        with pytest.raises(NotFound, match="there is no schedule 'other'"):
            act("other", session=session)
    with pytest.raises(NotFound):
        get_schedule(session, "other")


def test_a_schedule_can_be_replaced(session: Session) -> None:
    nightly(session)
    nightly(session, cron="0 4 * * *", timezone="Europe/Lisbon", replace=True)
    (row,) = list_schedules(session)
    assert (row["cron"], row["timezone"]) == ("0 4 * * *", "Europe/Lisbon")
