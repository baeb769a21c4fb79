"""Nothing a client sends gets a 500, and nothing that is refused is stored."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from shared.ids import new_id
from shared.models import Job
from shared.settings import Settings
from tests.support.web import as_web

pytestmark = pytest.mark.acceptance

JSON = {"content-type": "application/json"}
NOBODY = "01a20cb0-0000-7000-8000-000000000000"
DEEP_OBJECT = '{"a":' * 20_000 + "1" + "}" * 20_000
DEEP_LIST = "[" * 20_000 + "]" * 20_000

BODIES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "body"),
    "no json": ("job_type=demo", "body"),
    "a list": ("[]", "body"),
    "bytes": (b"\xff\xfe\x00", "body"),
    "no type": ("{}", "job_type"),
    "null type": ('{"job_type": null}', "job_type"),
    "unknown type": ('{"job_type": "demoo"}', "job_type"),
    "type of NUL": ('{"job_type": "\\u0000"}', "job_type"),
    "surrogate type": ('{"job_type": "\\ud800"}', "job_type"),
    "unknown member": ('{"job_type": "demo", "colour": "red"}', "colour"),
    "surrogate member": ('{"job_type": "demo", "\\ud800": 1}', "body"),
    "bad props": ('{"job_type": "demo", "props": {"steps": "many"}}', "props.steps"),
    "unknown prop": ('{"job_type": "demo", "props": {"stepz": 1}}', "props.stepz"),
    "props no object": ('{"job_type": "demo", "props": [1]}', "props"),
    "NUL in props": ('{"job_type": "create_foundation", "props": {"brief": "a\\u0000b"}}', "props.brief"),
    "surrogate in props": ('{"job_type": "create_foundation", "props": {"brief": "\\udfff"}}', "props.brief"),
    "NaN": ('{"job_type": "demo", "props": {"seconds": NaN}}', "body"),
    "Infinity": ('{"job_type": "demo", "props": {"seconds": Infinity}}', "body"),
    "overflowing float": ('{"job_type": "demo", "props": {"seconds": 1e999}}', "props.seconds"),
    "5000 digits": (f'{{"job_type": "demo", "props": {{"steps": {"9" * 5000}}}}}', "body"),
    "4000 digits": (f'{{"job_type": "demo", "props": {{"steps": {"9" * 4000}}}}}', "props.steps"),
    "deep object": (f'{{"job_type": "demo", "props": {DEEP_OBJECT}}}', "body"),
    "deep list": (f'{{"job_type": "demo", "props": {{"a": {DEEP_LIST}}}}}', "body"),
    "deeper than stored": (f'{{"job_type": "demo", "props": {{"a": {"[" * 90}{"]" * 90}}}}}', "props"),
    "duplicate keys": ('{"job_type": "demo", "job_type": "export_book"}', "body"),
    "duplicate props": ('{"job_type": "demo", "props": {"steps": 1, "steps": 2}}', "body"),
    "large props": (f'{{"job_type": "create_foundation", "props": {{"brief": "{"x" * 70_000}"}}}}', "props"),
    "bad book id": ('{"job_type": "demo", "book_id": "1; DROP TABLE jobs"}', "book_id"),
    "numeric book id": ('{"job_type": "demo", "book_id": 1}', "book_id"),
    "no book": ('{"job_type": "create_foundation"}', "book_id"),
    "huge priority": ('{"job_type": "demo", "priority": 99999999999999999999}', "priority"),
    "true priority": ('{"job_type": "demo", "priority": true}', "priority"),
    "no zone": ('{"job_type": "demo", "run_at": "2030-01-31T09:00:00"}', "run_at"),
    "far future": ('{"job_type": "demo", "run_at": "9999-12-31T23:59:59-14:00"}', "run_at"),
    "numeric time": ('{"job_type": "demo", "run_at": 1e300}', "run_at"),
    "long key": (f'{{"job_type": "demo", "unique_key": "{"k" * 300}"}}', "unique_key"),
    "NUL key": ('{"job_type": "demo", "unique_key": "\\u0000"}', "unique_key"),
    "long queue": (f'{{"job_type": "demo", "queue": "{"q" * 65}"}}', "queue"),
}


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client that lets server errors through, so that the test sees the exception itself."""
    with TestClient(create_app(as_web(settings)), base_url="http://localhost") as client:
        yield client


def stored(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Job)) or 0


def assert_problem(answer: Any, status: int, field: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert 0 < len(problem["detail"]) < 600
    if field is not None:
        assert problem["field"].startswith(field)


def test_every_bad_body_is_refused_with_its_field_and_nothing_is_stored(client: TestClient, session: Session) -> None:
    for name, (body, field) in BODIES.items():
        answer = client.post("/api/jobs", content=body, headers=JSON)
        assert answer.status_code == 422, f"{name}: {answer.status_code} {answer.text}"
        assert_problem(answer, 422, field)
    assert stored(session) == 0


def test_unknown_books_and_chunks_are_not_found(client: TestClient, session: Session) -> None:
    body = {"job_type": "generate_chunk", "book_id": new_id(), "chunk_id": new_id()}
    assert_problem(client.post("/api/jobs", json=body), 404)
    assert_problem(client.post("/api/jobs", json={"job_type": "demo", "book_id": new_id()}), 404)
    assert stored(session) == 0


@pytest.mark.parametrize("size", [256 * 1024 + 1, 10_000_000, 40_000_000])
def test_a_body_that_is_too_large_is_413_with_and_without_content_length(client: TestClient, size: int) -> None:
    assert_problem(client.post("/api/jobs", content=b"x" * size, headers=JSON), 413)
    pieces = (b"x" * 65_536 for _ in range(size // 65_536 + 1))
    assert_problem(client.post("/api/jobs", content=pieces, headers=JSON), 413)


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs?limit=0",
        "/api/jobs?limit=201",
        f"/api/jobs?limit={'9' * 5000}",
        "/api/jobs?limit=NaN",
        "/api/jobs?state=done",
        "/api/jobs?state=%00",
        "/api/jobs?job_type=%00",
        "/api/jobs?queue=a%00b",
        f"/api/jobs?queue={'q' * 65}",
        "/api/jobs?book_id=%27%20OR%201=1",
        "/api/jobs?before=x",
        "/api/jobs?parent_job_id=%FF",
        f"/api/jobs/{NOBODY}/logs?after_seq={2**31}",
        f"/api/jobs/{NOBODY}/logs?after_seq=-1",
        "/api/books?limit=-1",
    ],
)
def test_a_wrong_query_is_422(client: TestClient, path: str) -> None:
    assert_problem(client.get(path), 422)


@pytest.mark.parametrize("ident", ["x", "%00", "%ff", "..%2f..", "' OR 1=1", "1" * 5000, NOBODY])
def test_an_address_that_names_nothing_is_404(client: TestClient, ident: str) -> None:
    for path in ("jobs/{}", "jobs/{}/logs", "books/{}", "files/{}"):
        assert_problem(client.get("/api/" + path.format(ident)), 404)
    for act in ("cancel", "retry"):
        assert_problem(client.post(f"/api/jobs/{ident}/{act}"), 404)


def test_the_wrong_method_and_the_wrong_kind_of_body_are_told(client: TestClient, session: Session) -> None:
    assert_problem(client.get(f"/api/jobs/{new_id()}/cancel"), 405)
    assert_problem(client.put("/api/jobs", json={}), 405)
    assert_problem(client.post("/api/jobs", data={"job_type": "demo"}), 415)
    plain = client.post("/api/jobs", content='{"job_type": "demo"}', headers={"content-type": "text/plain"})
    assert_problem(plain, 415)
    assert stored(session) == 0


def test_markup_in_an_answer_is_json_and_never_a_page(client: TestClient) -> None:
    answer = client.post("/api/jobs", json={"job_type": "<script>alert(1)</script>"})
    assert_problem(answer, 422)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_database_without_tables_is_503_and_its_words_stay_inside(tmp_path: Any) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/empty.db")  # type: ignore[arg-type]
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        for path in ("/api/health", "/api/jobs"):
            answer = client.get(path)
            assert_problem(answer, 503)
            assert "no such table" not in answer.text
