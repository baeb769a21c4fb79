"""Queues and schedules on the pages, over plain HTTP as a browser without scripts uses them."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from shared.enqueue import create_job
from shared.models import Job, Queue, Schedule
from shared.settings import Settings
from tests.support.web import as_web

pytestmark = pytest.mark.acceptance

HOSTILE = "<script>alert(1)</script>"
NIGHTLY = {"name": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Lisbon", "job_type": "demo", "catch_up": "once"}


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client that follows redirects, so that it sees what is said."""
    with TestClient(create_app(as_web(settings, operate=True)), base_url="http://127.0.0.1:8000") as client:
        client.headers["accept"] = "text/html"
        yield client


def test_a_queue_is_paused_resumed_and_limited_from_the_page(client: TestClient, session: Session) -> None:
    create_job(job_type="demo", queue=HOSTILE, session=session)
    session.commit()
    assert "no worker serves it" in client.get("/workers").text
    page = client.post("/queues/pause", data={"queue": HOSTILE}).text
    assert "is paused; what runs goes on." in page
    assert HOSTILE not in page
    assert "start again" in client.post("/queues/resume", data={"queue": HOSTILE}).text
    client.post("/queues/limit", data={"queue": HOSTILE, "max_running": "2"})
    assert session.scalars(select(Queue.max_running)).all() == [2]
    session.rollback()
    for wrong in ("-1", "many", "9999999"):
        assert "Nothing was changed" in client.post("/queues/limit", data={"queue": "q", "max_running": wrong}).text
    assert "has no limit" in client.post("/queues/limit", data={"queue": HOSTILE, "max_running": ""}).text
    assert "Nothing was changed" in client.post("/queues/pause", data={}).text
    assert client.get("/queues/pause").status_code == 405


def test_a_schedule_is_added_disabled_run_and_deleted_from_the_page(client: TestClient, session: Session) -> None:
    assert "Nothing recurs yet" in client.get("/schedules").text
    page = client.post("/schedules", data=NIGHTLY | {"props": '{"steps": 2}'}).text
    assert "The schedule nightly is there." in page
    assert "Disable" in page
    page = client.post("/schedules/disable", data={"name": "nightly"}).text
    assert "ticks no more" in page
    assert "Enable" in page
    assert "ticks again" in client.post("/schedules/enable", data={"name": "nightly"}).text
    assert "has put a job" in client.post("/schedules/run", data={"name": "nightly"}).text
    [job] = session.scalars(select(Job))
    assert (job.job_type, job.props) == ("demo", {"steps": 2})
    session.rollback()
    assert "is forgotten" in client.post("/schedules/delete", data={"name": "nightly"}).text
    assert session.scalars(select(Schedule)).all() == []
    session.rollback()
    assert client.post("/schedules/run", data={"name": "nightly"}).status_code == 404
    assert client.post("/schedules/paint", data={"name": "nightly"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cron": "every day"}, "cron"),
        ({"timezone": "Mars"}, "timezone"),
        ({"props": "["}, "props"),
        ({"props": '{"steps": 0}'}, "props"),
        ({"job_type": "export_book"}, "book_id"),
        ({"book_id": "x"}, "book_id"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_schedule_stays_in_the_form_with_the_reason(
    client: TestClient, change: dict[str, str], field: str
) -> None:
    answer = client.post("/schedules", data=NIGHTLY | change)
    assert answer.status_code == 422
    assert f'id="f-{field}-wrong"' in answer.text
    assert 'value="Europe/Lisbon"' in answer.text or "timezone" in change
