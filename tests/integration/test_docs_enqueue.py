"""The page about creating jobs does what it says, from a plain session, from Flask and from FastAPI."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from starlette.testclient import TestClient

from bookbot_worker import create_job
from shared.ids import new_id
from shared.models import Book, Job
from shared.settings import Settings
from tests.support.docs import ROOT, installed, plain_blocks, write_files
from tests.support.running import eventually, row

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("my_app")]

PAGE = ROOT / "docs" / "enqueue.md"
GOOD = {"title": "The Salt Ledger", "brief": "A mystery of the sea coast.", "account": "full"}


@pytest.fixture
def my_app(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001 - the database
    """The page's files, ready to be imported."""
    folder = tmp_path / "page"
    write_files(PAGE, folder)
    with installed(folder, monkeypatch, poll_seconds="0.2"):
        yield


def stored(engine: Engine) -> dict[str, list[str]]:
    with Session(engine) as session:
        return {
            "books": [book.book_id for book in session.query(Book)],
            "jobs": [job.job_id for job in session.query(Job)],
            "about": [str(job.book_id) for job in session.query(Job)],
        }


def test_the_examples_run_one_after_the_other(engine: Engine) -> None:
    names: dict[str, Any] = {"engine": engine}
    for block in plain_blocks(PAGE):
        exec(block, names)  # noqa: S102 - the page's own code
    names["engine"].dispose()  # the page makes its own
    with Session(engine) as session:
        states = [(job.job_type, job.state, job.max_attempts) for job in session.query(Job).order_by(Job.job_id)]
    demos = [("demo", "waiting", 1)] * 6
    assert sorted(states) == [("create_foundation", "waiting", 6), *demos]


def through_flask(engine: Engine) -> Callable[[dict[str, str]], tuple[int, Any]]:
    client = importlib.import_module("my_app.flask_app").create_app(engine).test_client()

    def post(body: dict[str, str]) -> tuple[int, Any]:
        answer = client.post("/books", json=body)
        return answer.status_code, answer.get_json()

    return post


def through_fastapi(engine: Engine) -> Callable[[dict[str, str]], tuple[int, Any]]:
    client = TestClient(importlib.import_module("my_app.fastapi_app").create_app(engine))

    def post(body: dict[str, str]) -> tuple[int, Any]:
        answer = client.post("/books", json=body)
        return answer.status_code, answer.json()

    return post


@pytest.mark.parametrize("framework", [through_flask, through_fastapi])
def test_the_job_exists_only_if_the_request_commits(
    engine: Engine, framework: Callable[[Engine], Callable[[dict[str, str]], tuple[int, Any]]]
) -> None:
    post = framework(engine)
    assert post(GOOD | {"account": "empty"})[0] == 402
    assert post(GOOD | {"brief": ""})[0] == 422
    assert stored(engine) == {"books": [], "jobs": [], "about": []}
    status, answer = post(GOOD)
    assert status == 202
    assert stored(engine) == {
        "books": [answer["book_id"]],
        "jobs": [answer["job_id"]],
        "about": [answer["book_id"]],
    }


def test_a_scoped_session_such_as_flask_sqlalchemys_will_do(engine: Engine) -> None:
    current: Any = scoped_session(sessionmaker(engine))
    create_job(job_type="demo", session=current)
    create_job(job_type="demo", unique_key="a key", session=current)
    current.rollback()
    assert stored(engine)["jobs"] == []
    job_id = create_job(job_type="demo", session=current).job_id
    current.commit()
    current.remove()
    assert stored(engine)["jobs"] == [job_id]


def test_a_development_server_runs_jobs_itself(settings: Settings, engine: Engine) -> None:
    url = settings.database_url.get_secret_value()
    app = importlib.import_module("my_app.dev_server").create_app(url)
    processor = app.extensions["jobs"]
    try:
        job_id = create_job(job_type="demo", props={"steps": 2, "seconds": 0}).job_id
        eventually(lambda: row(engine, job_id).state == "completed")
    finally:
        processor.stop()
    assert processor.failure is None


def test_what_is_wrong_is_refused_as_the_page_says(engine: Engine) -> None:
    from shared import InvalidInput, NotFound, UnknownJobType

    with pytest.raises(UnknownJobType, match="did you mean 'demo'"):
        create_job(job_type="demoo")
    with pytest.raises(InvalidInput) as refused:
        create_job(job_type="demo", props={"steps": 0})
    assert refused.value.field == "props.steps"
    with pytest.raises(NotFound):
        create_job(job_type="create_foundation", book_id=new_id())
    assert stored(engine)["jobs"] == []
