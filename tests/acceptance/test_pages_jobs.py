"""The pages of jobs over plain HTTP, as a browser without scripts uses them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Book, Job, JobLog, LlmCall, OutputFile
from shared.settings import Settings
from tests.support.web import as_web

pytestmark = pytest.mark.acceptance

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> \u202e{{ 7*7 }}"


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of the application on a fresh database."""
    with TestClient(create_app(as_web(settings)), base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        yield client


def add(session: Session, job_type: str = "demo", **values: Any) -> str:
    job_id = create_job(job_type=job_type, session=session, **values).job_id
    session.commit()
    return job_id


def put(session: Session, job_id: str, state: str, **values: Any) -> None:
    ended = {"completed_at": datetime.now(UTC)} if state not in ("waiting", "running") else {}
    worker = {"worker_id": new_id(), "started_at": datetime.now(UTC)} if state == "running" else {}
    session.execute(update(Job).where(Job.job_id == job_id).values({"state": state, **ended, **worker, **values}))
    session.commit()


def log(session: Session, job_id: str, *messages: str, level: str = "INFO", first: int = 1) -> None:
    claim = new_id()
    for seq, message in enumerate(messages, first):
        session.add(
            JobLog(
                job_id=job_id, attempt=1, seq=seq, claim_id=claim, level=level, message=message, props=None,
                created_at=datetime.now(UTC),
            )
        )  # fmt: skip
    session.commit()


def rows(page: str) -> list[str]:
    """The ids of the jobs in a list, as they are shown."""
    return re.findall(r'data-row href="/jobs/([0-9a-f-]{36})"', page)


def test_empty_pages_say_what_to_do_next(client: TestClient) -> None:
    assert "bookbot-worker run" in client.get("/").text
    assert "There are no jobs yet" in client.get("/jobs").text
    assert "No job fits" in client.get("/jobs?state=failed").text


def test_filters_are_in_the_address_and_pages_follow_each_other(client: TestClient, session: Session) -> None:
    added = [add(session) for _ in range(60)]
    put(session, added[0], "failed", error_message="it broke")
    first = client.get("/jobs").text
    assert rows(first) == added[:9:-1]
    [older] = re.findall(r'href="([^"]*before=[^"]*)"', first)
    assert rows(client.get(older.replace("&amp;", "&")).text) == added[9::-1]
    failed = client.get("/jobs?state=failed").text
    assert rows(failed) == added[:1]
    assert "it broke" in failed
    assert rows(client.get("/jobs?state=failed&queue=slow").text) == []


def test_the_beginning_of_an_id_leads_to_its_job(client: TestClient, session: Session) -> None:
    job_id = add(session)
    found = client.get(f"/jobs?q={job_id[:30]}")
    assert (found.status_code, found.headers["location"]) == (303, f"/jobs/{job_id}")
    assert "there is no job" in client.get("/jobs?q=ffffffff").text


@pytest.mark.parametrize("query", ["state=done", "book_id=x", "before=x", "q=zz", "rows=x", "queue=" + "q" * 70])
def test_a_wrong_filter_is_a_sentence_on_the_page(client: TestClient, query: str) -> None:
    answer = client.get(f"/jobs?{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_a_live_update_shows_the_same_rows_and_says_that_there_are_newer(client: TestClient, session: Session) -> None:
    first = add(session)
    [live] = re.findall(r'data-live-url="([^"]+)"', client.get("/jobs?state=waiting").text)
    put(session, first, "completed")
    newer = add(session)
    page = client.get(live.replace("&amp;", "&")).text
    assert rows(page) == [first]
    assert "1 newer job" in page
    assert newer not in page


def test_a_job_is_called_off_run_again_and_enqueued_again_by_forms(client: TestClient, session: Session) -> None:
    job_id = add(session, queue="slow", priority=3, props={"steps": 7})
    answer = client.post(f"/jobs/{job_id}/cancel", data={})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{job_id}")
    put(session, job_id, "cancelled")
    page = client.get(f"/jobs/{job_id}").text
    assert "Retry" in page
    assert client.post(f"/jobs/{job_id}/retry").status_code == 303
    answer = client.post(f"/jobs/{job_id}/again")
    again = answer.headers["location"].removeprefix("/jobs/")
    assert again != job_id
    new = client.get(f"/api/jobs/{again}").json()
    assert (new["queue"], new["priority"], new["props"], new["state"]) == ("slow", 3, {"steps": 7}, "waiting")


def test_an_action_that_comes_too_late_leads_back_to_the_page(client: TestClient, session: Session) -> None:
    job_id = add(session)
    put(session, job_id, "completed")
    for action in ("cancel", "retry-failed"):
        assert client.post(f"/jobs/{job_id}/{action}").status_code == 303
    for action in ("cancel", "retry", "retry-failed", "again"):
        assert client.post(f"/jobs/{new_id()}/{action}").status_code == 404
        assert client.post(f"/jobs/x/{action}").status_code == 404
        assert client.get(f"/jobs/{job_id}/{action}").status_code == 405


def test_a_job_that_went_wrong_shows_why_with_a_hint_and_its_trace(client: TestClient, session: Session) -> None:
    job_id = add(session)
    message = "host.example does not accept the key; check BOOKBOT_LLM_API_KEY"
    put(session, job_id, "error", error_message=message, error_trace='File "x.py", line 3')
    page = client.get(f"/jobs/{job_id}").text
    assert message in page
    assert "restart it, and retry" in page
    assert "File &#34;x.py&#34;, line 3" in page


def test_the_page_names_relatives_children_files_and_calls(client: TestClient, session: Session) -> None:
    book = Book(book_id=new_id(), title="The Salt Ledger", props={})
    session.add(book)
    session.flush()
    parent = add(session, book_id=book.book_id)
    child = add(session, parent_job_id=parent, depends_on=[parent], book_id=book.book_id)
    file = OutputFile(
        file_id=new_id(), book_id=book.book_id, job_id=parent, name="ledger.epub", format="epub",
        media_type="application/epub+zip", size_bytes=3, sha256="0" * 64, content=b"abc",
    )  # fmt: skip
    call = LlmCall(
        call_id=new_id(), job_id=parent, attempt=1, seq=1, request_hash="x", provider="p", model="model-a",
        request={"model": "model-a", "messages": [{"role": "user", "content": "Write it."}]}, response="Written.",
        status="done", input_tokens=3, output_tokens=2, cost_usd=0.5,
    )  # fmt: skip
    session.add_all([file, call])
    session.commit()
    page = client.get(f"/jobs/{parent}").text
    for words in ("The Salt Ledger", f"/jobs/{child}", "ledger.epub", f"/api/files/{file.file_id}", "model-a"):
        assert words in page
    assert "Write it." not in page
    whole = client.get(f"/jobs/{parent}/calls/{call.call_id}").text
    assert "Write it." in whole
    assert "Written." in whole
    assert client.get(f"/jobs/{child}/calls/{call.call_id}").status_code == 404
    blocked = client.get(f"/jobs/{child}").text
    assert "Why it waits" in blocked
    assert f'href="/jobs/{parent}"' in blocked


def test_a_log_is_searched_paged_linked_and_downloaded(client: TestClient, session: Session) -> None:
    job_id = add(session)
    log(session, job_id, *(f"line {number}" for number in range(1, 1205)))
    log(session, job_id, "it broke", level="ERROR", first=1205)
    page = client.get(f"/jobs/{job_id}").text
    assert 'id="L1-1205"' in page
    assert 'id="L1-205"' not in page
    assert f'/jobs/{job_id}/log?level=&q=&before=1-206"' in page.replace("&amp;", "&")
    earlier = client.get(f"/jobs/{job_id}/log?before=1-206").text
    assert 'id="L1-205"' in earlier
    assert 'id="L1-206"' not in earlier
    found = client.get(f"/jobs/{job_id}/log?q=LINE+12&level=info").text
    assert "<strong>16</strong> lines fit" in found
    assert 'href="/jobs/' + job_id + '/log?line=1-12#L1-12"' in found
    assert 'id="L1-12"' in client.get(f"/jobs/{job_id}/log?line=1-12").text
    assert client.get(f"/jobs/{job_id}/log?before=nowhere").status_code == 422
    text = client.get(f"/jobs/{job_id}/log.txt")
    assert "attachment" in text.headers["content-disposition"]
    assert len(text.text.splitlines()) == 1205
    assert text.text.splitlines()[-1].endswith("1-1205 ERROR    it broke")


def test_a_live_update_of_a_job_leaves_the_log_out(client: TestClient, session: Session) -> None:
    job_id = add(session)
    log(session, job_id, "a line")
    assert "a line" in client.get(f"/jobs/{job_id}").text
    assert "a line" not in client.get(f"/jobs/{job_id}?log=none").text


def test_hostile_texts_are_shown_as_they_are(client: TestClient, session: Session) -> None:
    book = Book(book_id=new_id(), title=HOSTILE, props={})
    session.add(book)
    session.flush()
    job_id = add(session, book_id=book.book_id, queue=HOSTILE[:60], unique_key=HOSTILE)
    child = add(session, parent_job_id=job_id)
    put(session, job_id, "error", error_message=HOSTILE, error_trace=HOSTILE, progress_message=HOSTILE)
    put(session, child, "running", progress_message=HOSTILE)
    log(session, job_id, HOSTILE, level=HOSTILE[:16])
    session.add(
        LlmCall(
            call_id=new_id(), job_id=job_id, attempt=1, seq=1, request_hash="x", provider=HOSTILE[:60], model=HOSTILE,
            request={"messages": [{"role": HOSTILE, "content": HOSTILE}], HOSTILE: HOSTILE}, response=HOSTILE,
            status="failed", error=HOSTILE, error_kind="cut",
        )
    )  # fmt: skip
    session.commit()
    call_id = session.query(LlmCall.call_id).scalar()
    addresses = (
        "/", "/jobs", f"/jobs?queue={HOSTILE}", f"/jobs?q={HOSTILE}", f"/jobs/{job_id}", f"/jobs/{child}",
        f"/jobs/{job_id}/log?q={HOSTILE[:50]}", f"/jobs/{job_id}/calls/{call_id}",
    )  # fmt: skip
    for address in addresses:
        page = client.get(address).text
        assert "<script>alert" not in page, address
        assert "<img" not in page, address
        assert "49" not in re.findall(r"onerror=alert\(1\)[^{]{0,20}\s(\S+)", page), address


def test_who_may_only_look_is_offered_no_action(settings: Settings, session: Session) -> None:
    job_id = add(session)
    tokens = {"web_token": SecretStr("w" * 32), "web_read_token": SecretStr("r" * 32)}
    app = create_app(as_web(settings).model_copy(update=tokens))
    with TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        for token, is_offered in (("w", True), ("r", False)):
            bearer = {"Authorization": f"Bearer {token * 32}"}
            for address in ("/jobs", f"/jobs/{job_id}"):
                page = client.get(address, headers=bearer)
                assert page.status_code == 200
                assert ("Cancel" in page.text) is is_offered, address
        assert client.post(f"/jobs/{job_id}/cancel", headers=bearer).status_code == 403
