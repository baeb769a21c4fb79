"""More that comes from outside: SQL in every value, ids of other things, bodies without end. Text stays text."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.claim import claim
from bookbot_worker.telemetry.joblog import LogLine
from bookbot_worker.telemetry.log_writer import insert_lines
from shared.clock import db_now
from shared.control import cancel_job, retry_job
from shared.enqueue import NewJob, create_job, create_jobs
from shared.errors import InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Book, Job
from shared.settings import Settings
from shared.views import active_job_with_key, get_job, job_logs, list_jobs
from tests.support.claims import add_book, add_worker

pytestmark = pytest.mark.integration

SQL = [
    "' OR 1=1 --",
    "'; DROP TABLE jobs; --",
    "x') ON CONFLICT DO NOTHING; --",
    "%",
    "_%",
    "\\",
    '"',
    "$$",
    "%s",
    ":x",
]


def add(session: Session, **values: object) -> str:
    job_id = create_job(job_type="demo", session=session, **values).job_id  # type: ignore[arg-type]
    session.commit()
    return job_id


@pytest.mark.parametrize("hostile", SQL)
def test_sql_in_a_value_is_stored_found_and_claimed_as_text(engine: Engine, session: Session, hostile: str) -> None:
    bystander = add(session, unique_key="other", queue="other")
    job_id = add(session, unique_key=hostile, queue=hostile, props={"steps": 1})
    assert add(session, unique_key=hostile) == job_id
    assert active_job_with_key(session, hostile) == job_id
    assert [job["job_id"] for job in list_jobs(session, queue=hostile)] == [job_id]
    session.rollback()
    (job,) = claim(engine, Claimant(new_id(), ("demo", hostile), (hostile,)), 10)
    assert (job.job_id, job.queue, job.unique_key) == (job_id, hostile, hostile)
    with engine.begin() as connection:
        now = connection.scalar(select(db_now()))
        assert now is not None
        insert_lines(connection, [LogLine(job_id, str(job.claim_id), 1, 1, "INFO", hostile, {hostile: hostile}, now)])
    (line,) = job_logs(session, job_id)
    assert (line["message"], line["props"]) == (hostile, {hostile: hostile})
    assert get_job(session, bystander)["state"] == "waiting"
    with pytest.raises(InvalidInput):
        get_job(session, hostile)


Act = Callable[[Session, str], object]

ACTS: dict[str, Act] = {
    "cancel": lambda session, other: cancel_job(other, session=session),
    "retry": lambda session, other: retry_job(other, session=session),
    "look": get_job,
    "parent": lambda session, other: create_job(job_type="demo", parent_job_id=other, session=session),
    "depends": lambda session, other: create_jobs([NewJob("demo", depends_on=[other])], session=session),
    "awaits": lambda session, other: create_jobs([NewJob("demo", awaits=[other])], session=session),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_the_id_of_something_else_names_no_job(engine: Engine, session: Session, act: Act) -> None:
    for other in (add_book(engine), add_worker(engine, lease=20)):
        with pytest.raises(NotFound):
            act(session, other)
        session.rollback()
    assert session.scalar(select(func.count()).select_from(Job)) == 0
    assert session.scalar(select(func.count()).select_from(Book)) == 1


def test_a_body_of_a_hundred_megabytes_is_refused(sqlite_settings: Settings) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"job_type": "demo", "props": {"a": "'
        for _ in range(1600):
            yield b"x" * 65_536

    with TestClient(create_app(sqlite_settings), base_url="http://localhost") as client:
        answer = client.post("/api/jobs", content=pieces(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
