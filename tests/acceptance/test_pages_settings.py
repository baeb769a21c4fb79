"""The pages of workers and settings: who works, and what is set, without a secret."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Worker
from shared.settings import Settings
from shared.settings_list import database_address, list_settings

pytestmark = pytest.mark.acceptance

TOKEN = "a-token-of-the-web-that-nobody-guesses"  # noqa: S105 - of this test alone


def client_of(settings: Settings) -> TestClient:
    return TestClient(create_app(settings), base_url="http://127.0.0.1:8000")


def worker(session: Session, name: str, **values: object) -> str:
    given = {"state": "running", "lease_until": datetime.now(UTC) + timedelta(hours=1), "version": "9.9"} | values
    given |= {"hostname": "h", "pid": 7, "concurrency": 4, "queues": [], "job_types": ["demo"]}
    row = Worker(worker_id=new_id(), name=name, **given)
    session.add(row)
    session.commit()
    return row.worker_id


def test_workers_are_shown_with_what_they_run_their_trouble_and_those_that_ended_folded(
    settings: Settings, session: Session
) -> None:
    busy = worker(session, "<b>busy</b>", trouble="the disk is full")
    worker(session, "gone", state="stopped", lease_until=None)
    job = create_job(job_type="demo", session=session)
    job.state, job.worker_id, job.started_at = "running", busy, datetime.now(UTC)
    session.commit()
    with client_of(settings) as client:
        page = client.get("/workers").text
    assert "&lt;b&gt;busy&lt;/b&gt;" in page
    assert "1 of 4 slots" in page
    assert f'href="/jobs/{job.job_id}"' in page
    assert "It can do no work: the disk is full" in page
    assert "It runs version 9.9" in page
    shown, _, folded = page.partition("1 ended within the hour")
    assert "gone" not in shown
    assert "gone" in folded


def test_without_workers_the_page_says_how_to_start_one(settings: Settings) -> None:
    with client_of(settings) as client:
        assert "bookbot-worker run" in client.get("/workers").text


def test_every_setting_is_listed_with_its_source_and_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKBOT_LLM_API_KEY", "sk-hidden-key")
    secret = settings.model_copy(
        update={
            "llm_api_key": SecretStr("sk-hidden-key"),
            "web_token": SecretStr(TOKEN),
            "llm_base_url": "https://user:hidden-word@host.example/v1?key=hidden-too",
        }
    )
    secret.model_fields_set.add("llm_api_key")
    with client_of(secret) as client:
        assert client.get("/settings").status_code in (401, 403)
        page = client.get("/settings", headers={"Authorization": f"Bearer {TOKEN}"}).text
    for setting in list_settings(secret):
        assert setting.variable in page
    for hidden in ("sk-hidden-key", TOKEN, "hidden-word", "hidden-too"):
        assert hidden not in page
    found = {setting.variable: setting for setting in list_settings(secret)}
    assert found["BOOKBOT_LLM_API_KEY"].source == "environment"
    assert found["BOOKBOT_LLM_BASE_URL"].value == "https://host.example/v1"
    assert found["BOOKBOT_POLL_SECONDS"].meaning == "how often an idle worker looks for jobs"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hidden@db.example:5433/books?password=hidden", "postgresql://db.example:5433/books"),
        ("sqlite:///file.db", "sqlite:///file.db"),
        ("postgresql:hidden", "•••"),
    ],
)
def test_the_address_of_the_database_is_told_without_what_opens_it(url: str, shown: str) -> None:
    assert database_address(url) == shown
