"""A terminal job is never seen without all of its log lines, however closely one looks."""

import threading

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.enqueue import NewJob, create_jobs
from shared.settings import Settings
from tests.support.running import declare, processor_for, running

pytestmark = pytest.mark.integration

LINES = 3
JOBS = 2000

UNSEALED = text(
    "SELECT count(*) FROM jobs LEFT JOIN"
    " (SELECT job_id, count(*) AS lines, max(seq) AS last FROM job_logs GROUP BY job_id) AS stored"
    " ON stored.job_id = jobs.job_id"
    " WHERE completed_at IS NOT NULL AND (log_count <> :wanted OR coalesce(lines, 0) <> log_count OR last <> log_count)"
)
UNFINISHED = text("SELECT count(*) FROM jobs WHERE completed_at IS NULL")


class Talkative(BaseJob):
    def execute(self) -> bool:
        for number in range(LINES):
            self.log(f"line {number + 1}")
        return True


def test_a_reader_that_never_blinks_sees_every_terminal_job_with_its_lines(settings: Settings, engine: Engine) -> None:
    quick = settings.model_copy(update={"log_flush_seconds": 0.01})
    name = declare(Talkative)
    with Session(engine) as session:
        create_jobs([NewJob(name) for _ in range(JOBS)], session=session)
        session.commit()
    seen: list[int] = []
    pause = threading.Event()
    with running(processor_for(quick, Talkative)), engine.connect() as connection:
        looks = 0
        while not seen or seen[-1]:
            assert connection.scalar(UNSEALED, {"wanted": LINES}) == 0
            seen.append(int(connection.scalar(UNFINISHED) or 0))
            connection.rollback()
            looks += 1
            pause.wait(0.001)
    assert looks > 5
