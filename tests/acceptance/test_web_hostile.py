"""Hostile text in every value from outside: JSON gives it back as it is, pages and errors show it escaped."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobLog, Worker
from shared.settings import Settings
from tests.support.web import as_web

pytestmark = pytest.mark.acceptance

PAGE = {"accept": "text/html"}
CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{ 7919 * 7907 }} {% raw %}",
    "</textarea></title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt; &amp;amp;",
    "\x1b[31mred\x07 \u202etxt.exe",
    "a\r\nSet-Cookie: x=1",
    "='cmd'!A1 \U0001f4da العربية",
]
PRODUCT = str(7919 * 7907)
"""Of the template in the corpus, were it ever run; no time, count or id on a page is this number by chance."""
RAW = ("<script>alert", "<img src=x", "<svg onload", "'-alert(1)-'\"", PRODUCT)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(as_web(settings)), base_url="http://127.0.0.1:8000") as client:
        yield client


def store(session: Session, text: str) -> tuple[str, str]:
    """A book, a scene, an ended job with a log and a worker, all of that text; the ids of job and book."""
    book, job, chunk = new_id(), new_id(), new_id()
    session.add(Book(book_id=book, title=text, props={"author": text}))
    session.flush()
    session.add(Chunk(chunk_id=chunk, book_id=book, type="scene", chapter=1, text=text, props={"title": text}))
    session.add(
        Job(
            job_id=job,
            book_id=book,
            chunk_id=chunk,
            job_type=text[:64],
            queue=text[:64],
            unique_key=text,
            state="error",
            props={text: text},
            result={text: text},
            error_message=text,
            error_trace=text,
            progress_message=text,
            completed_at=datetime.now(UTC),
            attempt=1,
            log_count=1,
        )
    )
    session.add(
        JobLog(
            job_id=job,
            attempt=1,
            seq=1,
            claim_id=new_id(),
            level="INFO",
            message=text,
            props={text: text},
            created_at=datetime.now(UTC),
        )
    )
    session.add(
        Worker(
            worker_id=new_id(),
            name=text,
            hostname=text,
            pid=1,
            version="1",
            queues=[text],
            job_types=[text],
            concurrency=1,
            trouble=text,
            lease_until=datetime(2999, 1, 1, tzinfo=UTC),
        )
    )
    session.commit()
    return job, book


def test_pages_show_it_escaped_and_json_gives_it_back(client: TestClient, session: Session) -> None:
    stored = [(text, *store(session, text)) for text in CORPUS]
    shared_pages = ["/", "/jobs", "/books", "/workers", "/settings", "/api/docs"]
    own_pages = [path for _, job, book in stored for path in (f"/jobs/{job}", f"/books/{book}")]
    for path in (*shared_pages, *own_pages):
        answer = client.get(path, headers=PAGE)
        assert answer.status_code == 200, path
        assert [raw for raw in RAW if raw in answer.text] == [], path
        assert "set-cookie" not in answer.headers
    for text, job, book in stored:
        found = client.get(f"/api/jobs/{job}").json()
        assert [found[name] for name in ("error_message", "error_trace", "progress_message", "unique_key")] == [
            text
        ] * 4
        assert found["props"] == found["result"] == {text: text}
        assert client.get(f"/api/jobs/{job}/logs").json()["logs"][0]["message"] == text
        assert client.get(f"/api/books/{book}").json()["title"] == text
    assert {book["title"] for book in client.get("/api/books").json()["books"]} == set(CORPUS)


@pytest.mark.parametrize("text", CORPUS)
def test_an_error_page_shows_it_escaped_and_a_problem_is_json(client: TestClient, text: str) -> None:
    for path, params in (("/jobs", {"state": text}), ("/jobs/bulk", {"action": text}), ("/jobs", {"book_id": text})):
        page = client.get(path, params=params, headers=PAGE)
        assert page.status_code == 422
        assert page.headers["content-type"].startswith("text/html")
        assert [raw for raw in RAW if raw in page.text] == []
    answer = client.post("/api/jobs", json={"job_type": text})
    assert answer.headers["content-type"] == "application/problem+json"
    missing = client.get("/no/such/page/" + text.encode().hex(), headers=PAGE)
    assert (missing.status_code, missing.headers["content-type"][:9]) == (404, "text/html")
