"""The API does what its document says: enqueue, look, call off, run again, download."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobLog, OutputFile
from shared.settings import Settings
from tests.support.web import as_web

pytestmark = pytest.mark.acceptance


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of the application on a fresh database."""
    with TestClient(create_app(as_web(settings)), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture
def book_id(session: Session) -> str:
    """A book that is there."""
    book = Book(book_id=new_id(), title="The Salt Ledger", props={})
    session.add(book)
    session.commit()
    return book.book_id


def enqueue(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/jobs", json={"job_type": "demo"} | body)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def put(session: Session, job_id: str, state: str) -> None:
    values: dict[str, Any] = {"state": state, "completed_at": datetime.now(UTC)}
    if state == "running":
        values = {"state": state, "worker_id": new_id()}
    session.execute(update(Job).where(Job.job_id == job_id).values(values))
    session.commit()


def test_an_enqueued_job_is_there_with_every_value_given(client: TestClient, book_id: str) -> None:
    given = {"priority": 5, "queue": "slow", "unique_key": "k", "book_id": book_id, "props": {"steps": 2}}
    answer = client.post("/api/jobs", json={"job_type": "demo", "run_at": "2999-01-01T00:00:00+01:00", **given})
    assert answer.status_code == 201
    shown = client.get(answer.headers["location"]).json()
    assert shown == answer.json()
    assert given.items() <= shown.items()
    assert shown["run_at"] == "2998-12-31T23:00:00.000000Z"
    assert shown["state"] == "waiting"
    assert shown["why"].startswith("scheduled for 2998-12-31")


def test_a_unique_key_in_use_answers_200_with_the_same_job(client: TestClient, session: Session) -> None:
    first = enqueue(client, unique_key="k")
    again = client.post("/api/jobs", json={"job_type": "demo", "unique_key": "k"})
    assert (again.status_code, again.json()["job_id"]) == (200, first["job_id"])
    put(session, first["job_id"], "completed")
    assert enqueue(client, unique_key="k")["job_id"] != first["job_id"]


def test_a_job_whose_commit_fails_is_never_answered_as_created(client: TestClient, session: Session) -> None:
    def refuse(_: Session) -> None:
        raise OperationalError("COMMIT", {}, Exception("the server went away"))

    event.listen(Session, "before_commit", refuse)
    try:
        answer = client.post("/api/jobs", json={"job_type": "demo"})
    finally:
        event.remove(Session, "before_commit", refuse)
    assert answer.status_code == 503
    assert "server went away" not in answer.text
    assert session.scalar(select(func.count()).select_from(Job)) == 0


def test_the_list_pages_through_all_jobs_and_filters(client: TestClient) -> None:
    ids = [enqueue(client, queue="slow" if number == 2 else None)["job_id"] for number in range(5)]
    seen: list[str] = []
    before: str | None = ""
    while before is not None:
        page = client.get("/api/jobs", params={"limit": 2, **({"before": before} if before else {})}).json()
        seen += [job["job_id"] for job in page["jobs"]]
        before = page["next_before"]
    assert seen == ids[::-1]
    assert [job["job_id"] for job in client.get("/api/jobs?queue=slow").json()["jobs"]] == [ids[2]]
    assert client.get("/api/jobs?state=running").json() == {
        "jobs": [],
        "next_before": None,
        "looked_back_to": None,
    }


def test_a_cancel_is_asked_for_and_says_so(client: TestClient, session: Session) -> None:
    waiting, running = enqueue(client)["job_id"], enqueue(client)["job_id"]
    put(session, running, "running")
    for job_id, state in ((waiting, "waiting"), (running, "running"), (waiting, "waiting")):
        answer = client.post(f"/api/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, state)
        assert answer.json()["cancel_requested_at"] is not None
    assert "to be called off" in client.get(f"/api/jobs/{waiting}").json()["why"]
    put(session, waiting, "cancelled")
    assert client.post(f"/api/jobs/{waiting}/cancel").status_code == 409


def test_retry_needs_a_job_that_has_ended(client: TestClient, session: Session) -> None:
    job_id = enqueue(client)["job_id"]
    assert client.post(f"/api/jobs/{job_id}/retry").status_code == 409
    put(session, job_id, "error")
    for body, fresh in (({}, False), ({"fresh": True}, True)):
        answer = client.post(f"/api/jobs/{job_id}/retry", json=body)
        assert (answer.status_code, answer.json()["state"], answer.json()["retry_fresh"]) == (202, "error", fresh)
    assert client.post(f"/api/jobs/{job_id}/retry", json={"fresh": "yes"}).json()["field"] == "fresh"


def test_logs_go_on_after_the_line_the_reader_has(client: TestClient, session: Session) -> None:
    job_id = enqueue(client)["job_id"]
    line = {"job_id": job_id, "claim_id": new_id(), "attempt": 1, "props": None, "created_at": datetime.now(UTC)}
    session.add_all([JobLog(seq=seq, level="INFO", message=f"<b>{seq}</b>", **line) for seq in range(1, 4)])
    session.commit()
    logs = client.get(f"/api/jobs/{job_id}/logs?after_attempt=1&after_seq=1&limit=1").json()["logs"]
    assert [entry["message"] for entry in logs] == ["<b>2</b>"]
    assert client.get(f"/api/jobs/{new_id()}/logs").status_code == 404


def test_a_book_is_listed_and_shown_with_its_scenes(client: TestClient, session: Session, book_id: str) -> None:
    scene = Chunk(chunk_id=new_id(), book_id=book_id, type="scene", chapter=1, word_count=7, props={"title": "One"})
    session.add(scene)
    session.commit()
    assert [book["words"] for book in client.get("/api/books").json()["books"]] == [7]
    book = client.get(f"/api/books/{book_id}").json()
    assert book["chapters"][0]["scenes"][0]["chunk_id"] == scene.chunk_id
    assert client.get(f"/api/books/{new_id()}").status_code == 404


def test_a_file_is_only_ever_a_download_whatever_its_name(client: TestClient, session: Session, book_id: str) -> None:
    content = b"<script>alert(1)</script>"
    file = OutputFile(
        file_id=new_id(),
        book_id=book_id,
        name='../é"\r\nSet-Cookie: x=1;.html',
        format="html",
        media_type="text/html",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
    )
    session.add(file)
    session.commit()
    answer = client.get(f"/api/files/{file.file_id}")
    assert answer.content == content
    assert answer.headers["x-content-type-options"] == "nosniff"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="../____Set-Cookie: x=1;.html"; filename*=')
    assert "%0D%0A" in disposition
    assert "set-cookie" not in answer.headers
    assert client.get(f"/api/files/{new_id()}").status_code == 404


def test_health_and_the_front_page_and_the_document_are_served(client: TestClient) -> None:
    assert client.get("/api/health").json()["status"] == "ok"
    assert "<h1>Overview</h1>" in client.get("/").text
    document = client.get("/api/openapi.json").json()
    shapes = document["components"]["schemas"]["NewJobBody"]
    assert shapes["discriminator"]["mapping"]["demo"] == "#/components/schemas/NewJob_demo"
    demo = document["components"]["schemas"]["NewJob_demo"]
    assert demo["properties"]["job_type"]["const"] == "demo"
    assert demo["properties"]["props"]["properties"]["steps"]["maximum"] == 1000
    assert document["openapi"].startswith("3.1")
    page = client.get("/api/docs").text
    assert all(path in page for path in document["paths"])
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_the_lists_of_the_operation_are_there(client: TestClient) -> None:
    enqueue(client, queue="slow")
    answers = {name: client.get(f"/api/{name}").json() for name in ("workers", "queues", "schedules", "stats", "costs")}
    assert answers["workers"] == {"workers": []}
    assert answers["schedules"] == {"schedules": []}
    assert [queue["queue"] for queue in answers["queues"]["queues"]] == ["slow"]
    assert answers["stats"]["active"]["waiting"] == 1
    assert answers["costs"]["today"]["calls"] == 0
    assert "demo" in {job_type["name"] for job_type in client.get("/api/job-types").json()["job_types"]}


def test_a_book_begins_with_its_job_or_not_at_all(client: TestClient, session: Session) -> None:
    body = {"title": "The Clock", "brief": "A clock stops.", "style": "Plain.", "author": "N. N.", "language": "en"}
    answer = client.post("/api/books", json=body)
    assert answer.status_code == 201
    book = client.get(answer.headers["location"]).json()
    assert book["title"] == "The Clock"
    assert answer.json()["job"]["job_type"] == "create_foundation"
    texts = client.get(f"/api/books/{book['book_id']}/texts").json()["texts"]
    brief = next(text for text in texts if text["type"] == "brief")
    assert client.get(f"/api/chunks/{brief['chunk_id']}").json()["text"] == "A clock stops."
    versions = client.get(f"/api/chunks/{brief['chunk_id']}/versions").json()
    assert ([version["version"] for version in versions["versions"]], versions["next_before"]) == ([1], None)
    assert client.post("/api/books", json=body | {"start": False}).json()["job"] is None
    assert client.post("/api/books", json=body | {"language": "not a tag"}).json()["field"] == "language"
    assert session.scalar(select(func.count()).select_from(Book)) == 2


def test_all_that_fit_are_asked_at_once(client: TestClient, session: Session) -> None:
    slow = [enqueue(client, queue="slow")["job_id"] for _ in range(3)]
    other = enqueue(client)["job_id"]
    assert client.post("/api/bulk/cancel", json={"queue": "slow"}).json() == {"asked": 3, "may_be_more": False}
    asked = [client.get(f"/api/jobs/{job_id}").json()["cancel_requested_at"] for job_id in (*slow, other)]
    assert [bool(instant) for instant in asked] == [True, True, True, False]
    put(session, slow[0], "error")
    assert client.post("/api/bulk/retry", json={"queue": "slow", "fresh": True}).json()["asked"] == 1
    assert client.get(f"/api/jobs/{slow[0]}").json()["retry_fresh"] is True
    assert client.post("/api/bulk/cancel", json={"state": "completed"}).status_code == 409
    assert client.post("/api/bulk/retry", json={"state": "done"}).json()["field"] == "state"
    assert client.post("/api/bulk/cancel", json={"colour": "red"}).json()["field"] == "colour"


def test_a_log_is_searched_and_counted_by_the_database(client: TestClient, session: Session) -> None:
    job_id = enqueue(client)["job_id"]
    line = {"job_id": job_id, "claim_id": new_id(), "attempt": 1, "props": None, "created_at": datetime.now(UTC)}
    levels = ("INFO", "WARNING")
    session.add_all([JobLog(seq=seq, level=levels[seq % 2], message=f"line {seq}", **line) for seq in range(1, 21)])
    session.commit()
    found = client.get(f"/api/jobs/{job_id}/logs", params={"q": "LINE 1", "limit": 2}).json()
    assert ([entry["seq"] for entry in found["logs"]], found["count"]) == ([1, 10], 11)
    found = client.get(f"/api/jobs/{job_id}/logs?level=warning&last=true&limit=3").json()
    assert ([entry["seq"] for entry in found["logs"]], found["count"]) == ([15, 17, 19], 10)
    found = client.get(f"/api/jobs/{job_id}/logs?before_attempt=1&before_seq=4&limit=2").json()
    assert [entry["seq"] for entry in found["logs"]] == [2, 3]
