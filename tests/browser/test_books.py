"""A person makes a book in a browser, with a real worker: from the brief to a scene that was edited and exported."""

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from bookbot_worker.jobs.versions import add_version
from shared.models import Chunk
from shared.new_book import add_chunk, create_book
from tests.support.browser import accessibility_faults
from tests.support.fleet import Fleet

pytestmark = pytest.mark.acceptance

ARABIC = "كان الملح آخر ما بقي."


@pytest.mark.timeout(240)
def test_from_a_brief_to_an_edited_scene_and_a_file(page: Page, fleet: Fleet) -> None:
    fleet.start()
    page.goto("/books")
    page.get_by_role("link", name="Begin one from the example brief").click()
    page.get_by_label("Title").fill("The Salt Ledger")
    page.get_by_role("button", name="Create the book").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The Salt Ledger")
    expect(page.locator("#board .tile").first).to_be_visible(timeout=60_000)  # the page follows its stream
    book = page.url

    page.locator("#board .tile-name").first.click()
    page.get_by_role("button", name="Write").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("generate_chunk")
    expect(page.locator("#job-head .state-completed")).to_be_visible(timeout=60_000)
    page.goto(book)
    expect(page.locator("#board .tile").first).to_contain_text("written")

    page.locator("#board .tile-name").first.click()
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.locator("#job-head .state-completed")).to_be_visible(timeout=60_000)
    page.goto(book)
    page.locator("#board .tile-name").first.click()
    page.get_by_role("link", name="changes of version 3").click()
    expect(page.locator(".diff del, .diff ins").first).to_be_visible()

    page.goto(book)
    page.get_by_role("link", name="Export").first.click()
    page.get_by_label("Format").select_option("markdown")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#job-head .state-completed")).to_be_visible(timeout=60_000)
    page.goto(book)
    with page.expect_download() as download:
        page.get_by_role("link", name="The Salt Ledger.md").click()
    assert download.value.suggested_filename == "The Salt Ledger.md"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_nothing_keeps_people_out_and_nothing_sticks_out(page: Page, session: Session, width: int, scheme: str) -> None:
    book = create_book(session, "A_title_that_does_not_want_to_be_broken_anywhere_" * 8, "A brief.", "A style.")
    props = {"title": ARABIC, "review": f"- {ARABIC}"}
    scene = add_chunk(session, book.book_id, "scene", ARABIC, job_id=None, position=1, chapter=1, props=props)
    session.flush()
    add_version(session, session.get_one(Chunk, (scene.chunk_id, 1)), f"{ARABIC} {ARABIC} " + "x" * 300, job_id=None)
    session.commit()
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    about = f"/books/{book.book_id}"
    for address in (
        "/books", "/books/new", about, f"/chunks/{scene.chunk_id}", f"/chunks/{scene.chunk_id}/changes",
        f"{about}/start/export_book", f"{about}/start/generate_chunk?chunk_id={scene.chunk_id}",
        "/workers",
        "/schedules", "/settings",
    ):  # fmt: skip
        page.goto(address)
        assert accessibility_faults(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_a_wrong_value_is_said_beside_its_field_by_the_server_too(
    page: Page, session: Session, troubles: list[str]
) -> None:
    book = create_book(session, "The Bell", "A brief.", "A style.")
    session.commit()
    page.goto(f"/books/{book.book_id}/start/generate_book")
    page.get_by_label("Target words").fill("12")
    page.evaluate("document.querySelector('form[method=post]').noValidate = true")
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        page.get_by_role("button", name="Start").click()
    assert answer.value.status == 422
    field = page.get_by_label("Target words")
    expect(field).to_have_value("12")
    said = "Input should be greater than or equal to 50 how long each scene is to be"
    expect(field).to_have_accessible_description(said)
    assert [trouble for trouble in troubles if "422" not in trouble] == []
    troubles.clear()
