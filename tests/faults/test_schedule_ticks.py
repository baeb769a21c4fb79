"""Workers are killed at random while a schedule ticks every second: each tick makes one job, and none is forgotten."""

import random
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from shared.models import Job, Schedule, ScheduleTick
from shared.schedules import create_schedule
from shared.settings import Settings
from tests.support.fleet import Fleet
from tests.support.running import eventually

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]

TICKS = 12


def ticks(engine: Engine) -> list[ScheduleTick]:
    with Session(engine) as session:
        return list(session.scalars(select(ScheduleTick).order_by(ScheduleTick.tick_at)))


def test_each_tick_makes_one_job_whoever_dies(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    fleet, rng = Fleet(settings, tmp_path), random.Random(4)
    try:
        fleet.start_many(3)
        with Session(engine) as session, session.begin():
            create_schedule(
                "every second", cron="* * * * * *", job_type="demo", props={"steps": 1, "seconds": 0},
                catch_up="all", session=session,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(ticks(engine)) < TICKS and time.monotonic() < deadline:
            seen = len(ticks(engine))
            rng.choice([worker for worker in fleet.workers if worker.is_alive]).kill()
            fleet.start(failpoint=rng.choice((None, "tick.sent:kill")))
            eventually(lambda seen=seen: len(ticks(engine)) > seen, 30)  # type: ignore[misc]
        fleet.start()
        eventually(lambda: len(ticks(engine)) >= TICKS, 30)
    finally:
        fleet.close()
    found = ticks(engine)
    seconds = [round(tick.tick_at.timestamp()) for tick in found]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
    with Session(engine) as session:
        jobs = set(session.scalars(select(Job.job_id).where(Job.job_type == "demo")))
        next_run_at = session.get_one(Schedule, "every second").next_run_at
    assert {tick.job_id for tick in found} == jobs
    assert len(jobs) == len(found)
    assert next_run_at is not None
    assert next_run_at > found[-1].tick_at
