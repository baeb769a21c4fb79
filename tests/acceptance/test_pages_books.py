"""The pages of books over plain HTTP, as a browser without scripts uses them."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from bookbot_web.app import create_app
from bookbot_worker.jobs.versions import add_version
from shared.covers import MAX_BYTES
from shared.ids import new_id
from shared.models import Book, Chunk, Job, OutputFile
from shared.new_book import add_chunk, create_book
from shared.settings import Settings
from tests.support.pictures import png
from tests.support.web import as_web

pytestmark = pytest.mark.acceptance

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> \u202e{{ 7*7 }}"
NEW = {"title": "The Salt Ledger", "brief": "A ledger.", "style": "Plain."}


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of the application on a fresh database."""
    with TestClient(create_app(as_web(settings)), base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        client.headers["accept"] = "text/html"
        yield client


def book_with(session: Session, *texts: str, title: str = "The Salt Ledger", **props: Any) -> tuple[str, list[str]]:
    """A book with a scene for each text; returns its id and theirs."""
    book = create_book(session, title, "A brief.", "A style.")
    scenes = [
        add_chunk(session, book.book_id, "scene", text, job_id=None, position=n, chapter=1, props=props)
        for n, text in enumerate(texts, 1)
    ]
    session.commit()
    return book.book_id, [scene.chunk_id for scene in scenes]


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))


def jobs(session: Session) -> list[Job]:
    """As they are stored; the session holds nothing afterwards, so that on SQLite others can write."""
    found = list(session.scalars(select(Job).order_by(Job.job_id)))
    session.expunge_all()
    session.rollback()
    return found


def test_an_empty_shelf_says_what_to_do_next(client: TestClient) -> None:
    page = client.get("/books").text
    assert "There are no books yet" in page
    assert '"/books/new?example=1"' in page
    assert (
        "There are no older books"
        in client.get(f"/books?before={new_id()[:1]}{'0' * 7}-0000-7000-8000-{'0' * 12}").text
    )
    assert client.get("/books?before=x").status_code == 422


def test_a_new_book_comes_with_its_first_job_and_the_same_form_twice_is_one_book(
    client: TestClient, session: Session
) -> None:
    given = hidden(client.get("/books/new").text) | NEW | {"start": "1", "author": "A. Writer", "language": "pt-BR"}
    first, second = (client.post("/books/new", data=given) for _ in range(2))
    assert [answer.status_code for answer in (first, second)] == [303, 303]
    assert first.headers["location"] == second.headers["location"] == f"/books/{given['book_id']}"
    [book] = session.scalars(select(Book))
    assert (book.title, book.props) == ("The Salt Ledger", {"author": "A. Writer", "language": "pt-BR"})
    assert [(job.job_type, job.book_id, job.state) for job in jobs(session)] == [
        ("create_foundation", book.book_id, "waiting")
    ]
    types = session.scalars(select(Chunk.type).order_by(Chunk.position))
    assert list(types) == ["brief", "style"]


def test_a_new_book_can_wait_for_its_first_job(client: TestClient, session: Session) -> None:
    answer = client.post("/books/new", data=NEW)
    assert answer.status_code == 303
    assert jobs(session) == []
    assert "Lay the foundation" in client.get(answer.headers["location"]).text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": " "}, "is needed"),
        ({"brief": ""}, "is needed"),
        ({"title": "x" * 501}, "the limit is 500"),
        ({"language": "English!"}, "is no language tag"),
        ({"book_id": "mine"}, "is not an id"),
    ],
)
def test_a_wrong_book_stays_in_the_form_with_the_reason(
    client: TestClient, session: Session, change: dict[str, str], reason: str
) -> None:
    answer = client.post("/books/new", data=NEW | change)
    assert answer.status_code == 422
    assert reason in html.unescape(answer.text)
    assert 'role="alert"' in answer.text
    if "brief" not in change:
        assert "A ledger." in answer.text
    assert session.scalar(select(Book)) is None


def test_the_example_fills_the_form(client: TestClient) -> None:
    values = re.findall(r"<textarea[^>]*>\s*([^<]*)</textarea>", client.get("/books/new?example=1").text)
    assert len(values) == 2
    assert all(len(value) > 100 for value in values)


def test_the_board_shows_how_scenes_stand_and_by_which_job(client: TestClient, session: Session) -> None:
    book_id, [one, two] = book_with(session, "One two three.", "")
    client.post(f"/books/{book_id}/start/generate_chunk", data={"chunk_id": two, "mode": "write"})
    client.post(f"/books/{book_id}/start/generate_chunk", data={"chunk_id": one, "mode": "rewrite"})
    writing, rewriting = jobs(session)
    running = {"state": "running", "worker_id": new_id(), "claim_id": new_id()}
    session.execute(update(Job).where(Job.job_id == rewriting.job_id).values(running))
    session.execute(update(Chunk).where(Chunk.chunk_id == one).values(locked_by_job_id=rewriting.job_id))
    session.commit()
    page = client.get(f"/books/{book_id}").text
    assert f'href="/jobs/{writing.job_id}"' in page
    assert re.search(rf'being rewritten by <a href="/jobs/{rewriting.job_id}">', page)
    assert "3 of 500" in page
    scene = client.get(f"/chunks/{one}").text
    assert re.search(rf'It is being rewritten by <a href="/jobs/{rewriting.job_id}">', scene)
    assert "Write is asked for" in client.get(f"/chunks/{two}").text


def test_a_large_board_is_drawn_a_chapter_at_a_time(client: TestClient, session: Session) -> None:
    book = create_book(session, "Long", "b", "s")
    for number in range(5000):
        add_chunk(session, book.book_id, "scene", "", job_id=None, position=number, chapter=number // 1000 + 1)
    session.commit()
    page = client.get(f"/books/{book.book_id}").text
    assert "/chunks/" not in page.partition("texts-title")[0]
    assert len(re.findall(r'id="chapter-\d+"', page)) == 5
    assert len(page) < 30_000
    third = client.get(f"/books/{book.book_id}?chapter=3").text
    assert third.count('class="tile ') == 400
    assert ">2001<" in third
    last = client.get(f"/books/{book.book_id}?chapter=3&start=800").text
    assert last.count('class="tile ') == 200
    assert "Further scenes" not in last
    for odd in ("chapter=99", "chapter=x", "chapter=3&start=-5", "chapter=3&start=99999"):
        assert client.get(f"/books/{book.book_id}?{odd}").status_code == 200
    assert client.get(f"/books/{book.book_id}?start=x").status_code == 422


def test_any_job_about_a_book_has_a_form_and_wrong_values_stay_in_it(client: TestClient, session: Session) -> None:
    book_id, _ = book_with(session, "One.")
    for name in ("create_foundation", "generate_book", "export_book"):
        assert client.get(f"/books/{book_id}/start/{name}").status_code == 200
    address = f"/books/{book_id}/start/generate_book"
    answer = client.post(address, data={"mode": "write", "target_words": "12", "bot": "Mara"})
    assert answer.status_code == 422
    assert "greater than or equal to 50" in answer.text
    assert 'value="12"' in answer.text
    assert 'value="Mara"' in answer.text
    marked = r'id="f-target_words"[^>]*aria-invalid="true"[^>]*aria-describedby="f-target_words-wrong'
    assert re.search(marked, answer.text)
    answer = client.post(address, data={"mode": "edit", "only_empty": "yes", "export_formats": "epub"})
    assert "only_empty goes with mode write" in answer.text
    for field, value in (("priority", "high"), ("run_at", "tomorrow"), ("priority", "99999999999")):
        answer = client.post(address, data={"mode": "write", "export_formats": "epub", field: value})
        assert answer.status_code == 422
        assert f'id="f-{field}-wrong"' in answer.text
    assert jobs(session) == []


def test_a_form_sends_only_what_was_chosen_and_twice_is_one_job(client: TestClient, session: Session) -> None:
    book_id, _ = book_with(session, "One.")
    address = f"/books/{book_id}/start/generate_book"
    given = hidden(client.get(address).text) | {
        "mode": "edit", "target_words": "", "export_formats": ["epub", "pdf"], "priority": "3",
        "run_at": "2999-01-31T09:00:00Z",
    }  # fmt: skip
    first, second = (client.post(address, data=given) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    [job] = jobs(session)
    assert job.props == {"mode": "edit", "export_formats": ["epub", "pdf"]}
    assert (job.priority, job.run_at.year, job.book_id) == (3, 2999, book_id)


def test_what_is_not_there_is_not_found(client: TestClient, session: Session) -> None:
    book_id, [scene] = book_with(session, "One.")
    for address in (
        f"/books/{new_id()}", "/books/x", f"/chunks/{new_id()}", "/chunks/x", f"/chunks/{scene}?version=9",
        f"/chunks/{scene}?version=x", f"/chunks/{scene}?version=99999999999", f"/chunks/{scene}/changes?old=7",
        f"/books/{book_id}/start/none", f"/books/{new_id()}/start/export_book",
        f"/books/{book_id}/start/generate_chunk",
    ):  # fmt: skip
        assert client.get(address).status_code == 404, address
    assert client.post(f"/books/{new_id()}/covers").status_code == 404
    assert client.get(f"/books/{book_id}/covers").status_code == 405


def test_a_cover_is_kept_and_leads_to_an_export_with_it(client: TestClient, session: Session) -> None:
    book_id, _ = book_with(session, "One.")
    files = {"picture": ("C:\\My covers\\salt <b>.png", png(600, 800), "image/png")}
    answer = client.post(f"/books/{book_id}/covers", files=files)
    [kept] = session.scalars(select(OutputFile))
    session.expunge_all()
    session.rollback()
    assert (kept.format, kept.media_type, kept.name) == ("cover", "image/png", "salt b.png")
    assert answer.headers["location"] == f"/books/{book_id}/start/export_book?cover={kept.file_id}"
    form = client.get(answer.headers["location"]).text
    assert f'<option value="{kept.file_id}" selected>salt b.png</option>' in form
    client.post(f"/books/{book_id}/start/export_book", data={"format": "pdf", "cover": kept.file_id})
    [job] = jobs(session)
    assert job.props == {"format": "pdf", "cover": kept.file_id}
    assert "1 picture for covers" in client.get(f"/books/{book_id}").text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<svg onload=alert(1)>", "no whole PNG or JPEG"),
        (png(600, 800)[:-20], "no whole PNG or JPEG"),
        (png(60_000, 8), "the limit is 10000"),
        (png(600, 800) + b"\0" * MAX_BYTES, "the limit is 10485760"),
    ],
    ids=["svg", "cut", "wide", "large"],
)
def test_a_picture_that_cannot_be_a_cover_is_refused_with_the_reason(
    client: TestClient, session: Session, content: bytes, reason: str
) -> None:
    book_id, _ = book_with(session, "One.")
    answer = client.post(f"/books/{book_id}/covers", files={"picture": ("a.png", content, "image/png")})
    assert answer.status_code == 422
    assert reason in answer.text
    assert "choose a picture first" in client.post(f"/books/{book_id}/covers", data={"picture": "x"}).text
    assert session.scalar(select(OutputFile)) is None


def test_versions_are_read_and_compared_word_by_word(client: TestClient, session: Session) -> None:
    _, [ident] = book_with(session, "She took the *red* lamp.", title="The Bell")
    first = session.get_one(Chunk, (ident, 1))
    second = add_version(session, first, "She took the *blue* lamp.", job_id=None, props={"review": "Be **brief**."})
    session.commit()
    page = client.get(f"/chunks/{ident}").text
    assert "<em>blue</em>" in page
    assert "Be <strong>brief</strong>." in page
    assert f'href="/chunks/{ident}/changes?old=1&amp;new=2"' in page
    assert "<em>red</em>" in client.get(f"/chunks/{ident}?version=1").text
    changes = client.get(f"/chunks/{ident}/changes?old=1&new={second.version}").text
    assert re.search(r"\*<del>red</del><ins>blue</ins>\* lamp", changes)
    assert "Both versions have the same text" in client.get(f"/chunks/{ident}/changes?old=2&new=2").text


def test_a_scene_of_a_megabyte_can_be_read_and_compared(client: TestClient, session: Session) -> None:
    _, [ident] = book_with(session, "[word](x) *and* " * 65_536)
    add_version(session, session.get_one(Chunk, (ident, 1)), "word " * 200_000, job_id=None)
    session.commit()
    assert client.get(f"/chunks/{ident}?version=1").status_code == 200
    assert "<ins>" in client.get(f"/chunks/{ident}/changes").text


def test_files_of_each_format_are_offered_newest_first(client: TestClient, session: Session) -> None:
    book_id, _ = book_with(session, "One.")
    ids = []
    for kind in ("epub", "pdf", "epub"):
        values = {"name": f"salt.{kind}", "format": kind, "media_type": "x/y", "size_bytes": 3, "sha256": "0" * 64}
        session.add(OutputFile(file_id=new_id(), book_id=book_id, content=b"abc", **values))
        session.flush()
        ids.append(session.scalars(select(OutputFile.file_id).order_by(OutputFile.file_id.desc())).first())
    session.commit()
    page = client.get(f"/books/{book_id}").text
    newest, _, older = page.partition("1 older file")
    assert [ident in newest for ident in ids] == [False, True, True]
    assert f"/api/files/{ids[0]}" in older


def test_hostile_texts_are_shown_as_they_are(client: TestClient, session: Session) -> None:
    book_id, [ident] = book_with(session, HOSTILE, title=HOSTILE, chapter_title=HOSTILE, review=HOSTILE)
    session.execute(update(Chunk).where(Chunk.type == "scene").values(props={"title": HOSTILE, "review": HOSTILE}))
    session.execute(update(Book).values(props={"author": HOSTILE}))
    add_chunk(session, book_id, "bot", HOSTILE, job_id=None, props={"name": HOSTILE})
    session.commit()
    pages = [
        client.get(address)
        for address in (
            "/books", f"/books/{book_id}", f"/chunks/{ident}", f"/chunks/{ident}/changes",
            f"/books/{book_id}/start/export_book",
            f"/books/{book_id}/start/generate_chunk?chunk_id={ident}&mode={HOSTILE}&bot={HOSTILE}",
            f"/books?before={HOSTILE}",
        )
    ]  # fmt: skip
    pages.append(client.post(f"/books/{book_id}/start/export_book", data={"title": HOSTILE, "language": HOSTILE}))
    pages.append(client.post("/books/new", data={"title": HOSTILE, "brief": HOSTILE, "language": HOSTILE}))
    for page in pages:
        assert "<script>alert" not in page.text, page.url
        assert "<img" not in page.text, page.url
        assert page.status_code < 500, page.url
        assert "style=" not in page.text, page.url


@pytest.mark.parametrize("path", ["/workers", "/settings"])
def test_pages_without_anything_to_show_answer(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200
