"""Many jobs called off or run again at once: by forms, after a page that says how many."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Job
from shared.settings import Settings
from tests.support.web import as_web

pytestmark = pytest.mark.acceptance


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of the application on a fresh database."""
    with TestClient(create_app(as_web(settings)), base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        yield client


def add(session: Session, state: str = "waiting", **values: Any) -> str:
    job_id = create_job(job_type="demo", session=session, **values).job_id
    session.flush()
    if state == "running":
        session.execute(update(Job).where(Job.job_id == job_id).values(state=state, worker_id=new_id()))
    elif state != "waiting":
        session.execute(update(Job).where(Job.job_id == job_id).values(state=state, completed_at=datetime.now(UTC)))
    session.commit()
    return job_id


def confirmed(client: TestClient, query: str) -> str:
    """Follow the link of the list to its confirmation, press its button; returns the page of the confirmation."""
    page = client.get(f"/jobs/bulk?{query}").text
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    body: dict[str, list[str]] = {}
    for name, value in fields:
        body.setdefault(name, []).append(value)
    answer = client.post("/jobs/bulk", data=body)
    assert answer.status_code == 303, answer.text
    return page


def asked(session: Session, column: Any) -> set[str]:
    return set(session.scalars(select(Job.job_id).where(column.is_not(None))))


def test_selected_jobs_are_called_off_but_for_those_that_have_ended(client: TestClient, session: Session) -> None:
    waiting, running, ended, other = add(session), add(session, "running"), add(session, "completed"), add(session)
    child = add(session, parent_job_id=running)
    page = confirmed(client, f"action=cancel-selected&job_id={waiting}&job_id={running}&job_id={ended}")
    assert "Cancel 2 jobs?" in page
    assert "1 of those selected is left out" in page
    assert asked(session, Job.cancel_requested_at) == {waiting, running, child}
    assert other not in asked(session, Job.cancel_requested_at)


def test_all_that_match_are_run_again_but_for_what_is_completed(client: TestClient, session: Session) -> None:
    failed, error = add(session, "failed", queue="slow"), add(session, "error", queue="slow")
    add(session, "completed", queue="slow")
    add(session, "failed")
    page = confirmed(client, "action=retry-all&queue=slow")
    assert "Retry 2 jobs?" in page
    assert asked(session, Job.retry_requested_at) == {failed, error}


def test_what_is_completed_is_run_again_where_the_filter_names_it(client: TestClient, session: Session) -> None:
    completed = add(session, "completed")
    add(session, "failed")
    assert "Retry 1 job?" in confirmed(client, "action=retry-all&state=completed")
    assert asked(session, Job.retry_requested_at) == {completed}


def test_what_was_enqueued_after_the_question_is_left_alone(client: TestClient, session: Session) -> None:
    first = add(session)
    page = client.get("/jobs/bulk?action=cancel-all").text
    [newest] = re.findall(r'name="newest" value="([^"]+)"', page)
    add(session)
    client.post("/jobs/bulk", data={"action": "cancel-all", "newest": newest})
    assert asked(session, Job.cancel_requested_at) == {first}


def test_hundreds_are_called_off_in_portions(client: TestClient, session: Session) -> None:
    added = {create_job(job_type="demo", session=session, queue="slow").job_id for _ in range(1203)}
    session.commit()
    page = confirmed(client, "action=cancel-all&queue=slow")
    assert "Cancel 1\u202f203 jobs?" in page
    assert "and 1\u202f183 more" in page
    assert asked(session, Job.cancel_requested_at) == added


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("action=cancel-selected", "No job was selected"),
        ("action=cancel-all&state=completed", "None of the jobs that match waits or runs"),
        ("action=retry-all&state=waiting", "None of the jobs that match has failed"),
    ],
)
def test_where_there_is_nothing_to_do_there_is_no_button(
    client: TestClient, session: Session, query: str, words: str
) -> None:
    add(session, "completed")
    page = client.get(f"/jobs/bulk?{query}").text
    assert words in page
    assert "<form class" not in page


@pytest.mark.parametrize(
    "query",
    ["action=burn", "", "action=cancel-all&book_id=x", "action=cancel-selected&job_id=x", "action=retry-all&state=x"],
)
def test_a_wrong_address_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/jobs/bulk?{query}").status_code == 422


def test_an_address_alone_changes_nothing(client: TestClient, session: Session) -> None:
    add(session)
    assert client.get("/jobs/bulk?action=cancel-all").status_code == 200
    assert asked(session, Job.cancel_requested_at) == set()
