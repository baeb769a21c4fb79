"""`bench`: figures of the user's own database, which is afterwards as it was before."""

import json
import subprocess
import sys

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.models import Job, Worker

pytestmark = pytest.mark.acceptance


def bench(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bookbot_worker", "bench", "--jobs", "100", *arguments]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False
    )


def rows(engine: Engine) -> tuple[int, int]:
    with Session(engine) as session:
        return (
            session.scalar(select(func.count()).select_from(Job)) or 0,
            session.scalar(select(func.count()).select_from(Worker)) or 0,
        )


def test_it_measures_and_leaves_nothing_behind(environment: dict[str, str], engine: Engine) -> None:
    with Session(engine) as session:
        create_job(job_type="demo", session=session)
        session.commit()
    before = rows(engine)
    done = bench(environment, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert all(value > 0 for value in figures.values()), figures
    assert set(figures) == {
        "enqueued_per_second_one_by_one",
        "enqueued_per_second_in_bulk",
        "jobs_per_second",
        "pick_up_ms_median",
        "pick_up_ms_longest",
    }
    assert rows(engine) == before


def test_where_nobody_can_be_asked_it_does_nothing(environment: dict[str, str], engine: Engine) -> None:
    done = bench(environment)
    assert done.returncode == 2
    assert "bookbot-bench" in done.stderr
    assert "--yes" in done.stderr
    assert rows(engine) == (0, 0)
