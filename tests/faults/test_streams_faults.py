"""Event streams outlive the database: viewers are told that it is away, and afterwards everything they missed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.settings import Settings
from tests.support import talking_jobs
from tests.support.durable import DurableServer
from tests.support.fleet import Fleet
from tests.support.sse import Stream, Told
from tests.support.web_server import WebServer, web_server

pytestmark = pytest.mark.faults

TALKING = {"BOOKBOT_JOB_TYPES": talking_jobs.__name__, "BOOKBOT_JOBS": talking_jobs.__name__}


@pytest.fixture
def web(settings: Settings, tmp_path: Path) -> Iterator[WebServer]:
    with web_server(settings, tmp_path) as server:
        yield server


def talk(engine: Engine, lines: int) -> str:
    talking_jobs.declare()
    with Session(engine) as session:
        job_id = create_job(job_type="talk", props={"lines": lines, "at_once": 5}, session=session).job_id
        session.commit()
        return job_id


def until_trouble(events: Iterator[Told], is_over: bool) -> list[Told]:
    """What is told up to, and with, the news that the database is away (or is back)."""
    told = []
    for one in events:
        told.append(one)
        if one.name == "trouble" and (one.data["reason"] is None) == is_over:
            return told
    raise AssertionError(f"the stream ended: {told[-3:]}")


@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_while_the_database_is_away_streams_stay_open_and_lose_nothing(
    durable: DurableServer, engine: Engine, fleet: Fleet, web: WebServer, way: str
) -> None:
    job_id = talk(engine, 400)
    fleet.start(env=TALKING).wait_for_event("worker.started")
    job, lists = Stream(f"{web.url}/api/jobs/{job_id}/events"), Stream(f"{web.url}/api/events?topics=jobs")
    of_job, of_lists = job.events(), lists.events()
    told = [next(of_job)]
    while told[-1].name != "log":
        told.append(next(of_job))
    assert next(of_lists).name == "seen"
    if way == "killed":
        durable.kill()
    else:
        durable.pause()
    told += until_trouble(of_job, is_over=False)
    until_trouble(of_lists, is_over=False)
    if way == "killed":
        durable.restart()
    else:
        durable.resume()
    told += until_trouble(of_job, is_over=True)
    until_trouble(of_lists, is_over=True)
    told += list(of_job)
    heard = [line["message"] for one in told if one.name == "log" for line in one.data]
    numbered = [line for line in heard if line.startswith("line ")]
    # A run that the outage broke off is repeated, as an attempt of its own: each is told wholly and in order.
    last = max(index for index, line in enumerate(numbered) if line == "line 1")
    assert numbered[last:] == [f"line {number}" for number in range(1, 401)]
    assert numbered[:last] == [f"line {number}" for number in range(1, last + 1)]
    assert told[-1].data == {"state": "completed"}
    assert "Traceback" not in web.log.read_text()
    for stream in (job, lists):
        stream.close()
