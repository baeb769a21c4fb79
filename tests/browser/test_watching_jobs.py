"""Jobs watched in a browser while a real worker runs them: live, called off, gone wrong, run again."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.ids import new_id
from shared.job_types import catalogue
from shared.models import Book
from tests.faults.jobs import JOB_TYPES
from tests.support.browser import Web
from tests.support.fleet import Fleet
from tests.support.running import row

pytestmark = pytest.mark.acceptance

SECONDS = 30_000


@pytest.fixture(autouse=True)
def _fault_jobs(_fresh_catalogue: None) -> None:
    """The job types of the faults can be enqueued here too."""
    for job_type in JOB_TYPES:
        catalogue().add(job_type)


def add(engine: Engine, job_type: str = "demo", **values: Any) -> str:
    with Session(engine) as session:
        job_id = create_job(job_type=job_type, session=session, **values).job_id
        session.commit()
        return job_id


def state(page: Page, name: str) -> None:
    """Wait until the page, without being loaded again, says that the job is in this state."""
    expect(page.locator("#job-head .state")).to_have_text(name, timeout=SECONDS)


def line_numbers(page: Page) -> list[int]:
    return [int(text) for text in page.locator("#log-lines .log-no").all_inner_texts()]


def test_a_job_is_watched_from_waiting_to_completed(page: Page, engine: Engine, fleet: Fleet) -> None:
    job_id = add(engine, props={"steps": 12, "seconds": 3})
    page.goto(f"/jobs/{job_id}")
    state(page, "waiting")
    expect(page.get_by_text("no worker is running")).to_be_visible()
    page.evaluate("window.isTheSamePage = true")
    fleet.start()
    state(page, "running")
    expect(page.locator("#log-lines")).to_contain_text("step 2 of 12", timeout=SECONDS)
    expect(page.locator("#job-course progress")).to_be_visible()
    state(page, "completed")
    expect(page.locator("#log-lines")).to_contain_text("step 12 of 12")
    expect(page.get_by_label("Result")).to_contain_text('"steps": 12')
    assert line_numbers(page) == list(range(1, 13))
    assert page.evaluate("window.isTheSamePage")


def test_a_running_job_is_called_off_and_run_again(page: Page, engine: Engine, fleet: Fleet) -> None:
    job_id = add(engine, props={"steps": 1000, "seconds": 600})
    page.goto(f"/jobs/{job_id}")
    fleet.start()
    state(page, "running")
    page.get_by_role("button", name="Cancel").click()
    state(page, "cancelled")
    assert row(engine, job_id).state == "cancelled"
    page.get_by_role("button", name="Retry").click()
    state(page, "running")
    page.get_by_role("button", name="Cancel").click()
    state(page, "cancelled")


def test_an_error_is_shown_with_a_hint_and_its_trace(page: Page, engine: Engine, fleet: Fleet) -> None:
    witness = {"witness": f"/dev/shm/{new_id()}"}  # noqa: S108 - the job writes its traces there
    job_id = add(engine, "recurses", props=witness)
    page.goto(f"/jobs/{job_id}")
    fleet.start()
    state(page, "error")
    error = page.get_by_role("region", name="Error")
    expect(error).to_contain_text("RecursionError")
    expect(error).to_contain_text("job's own code")
    error.get_by_text("Trace", exact=True).click()
    expect(error.locator("pre")).to_contain_text("harmful_jobs.py")


def test_a_web_process_that_is_restarted_costs_no_line_and_shows_none_twice(
    page: Page, engine: Engine, fleet: Fleet, web: Web, troubles: list[str]
) -> None:
    job_id = add(engine, props={"steps": 150, "seconds": 12})
    page.goto(f"/jobs/{job_id}")
    fleet.start()
    expect(page.locator("#log-lines")).to_contain_text("step 10 of 150", timeout=SECONDS)
    web.stop()
    expect(page.locator("#live")).to_contain_text("Reconnecting", timeout=SECONDS)
    web.start()
    state(page, "completed")
    expect(page.locator("#log-lines")).to_contain_text("step 150 of 150", timeout=SECONDS)
    assert line_numbers(page) == list(range(1, 151))
    lost = re.compile(r"ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE")
    assert [trouble for trouble in troubles if not lost.search(trouble)] == []
    troubles.clear()


def test_a_log_is_followed_until_the_reader_scrolls_up(page: Page, engine: Engine, fleet: Fleet) -> None:
    job_id = add(engine, props={"steps": 1000, "seconds": 60})
    page.goto(f"/jobs/{job_id}")
    fleet.start()
    follow = page.get_by_role("button", name="Follow")
    expect(page.locator("#L1-60")).to_be_attached(timeout=SECONDS)
    expect(follow).to_have_attribute("aria-pressed", "true")
    box = "const box = document.getElementById('log-box')"
    at_end = f"() => {{ {box}; return box.scrollHeight - box.scrollTop - box.clientHeight < 24 }}"
    page.wait_for_function(at_end)
    page.locator("#log-box").evaluate("(box) => { box.scrollTop = 0 }")
    expect(follow).to_have_attribute("aria-pressed", "false")
    last = max(line_numbers(page))
    expect(page.locator(f"#L1-{last + 40}")).to_be_attached(timeout=SECONDS)
    assert page.locator("#log-box").evaluate("(box) => box.scrollTop") == 0
    follow.click()
    page.wait_for_function(at_end)


def test_a_list_changes_in_place_and_says_that_there_are_newer_jobs(page: Page, engine: Engine, fleet: Fleet) -> None:
    job_id = add(engine, props={"steps": 10, "seconds": 2})
    page.goto("/jobs?state=waiting")
    box = page.locator(f"#pick-{job_id}")
    box.check()
    link = page.locator("[data-row]").first
    link.focus()
    top = link.bounding_box()
    fleet.start()
    expect(page.locator(f"#row-{job_id} .state")).to_have_text("completed", timeout=SECONDS)
    expect(box).to_be_checked()
    expect(link).to_be_focused()
    assert link.bounding_box() == top
    later = add(engine, run_at=row(engine, job_id).created_at.replace(year=2999))
    expect(page.get_by_role("link", name="1 newer job: show")).to_be_visible(timeout=SECONDS)
    expect(link).to_be_focused()
    page.get_by_role("link", name="1 newer job: show").click()
    expect(page.locator(f"#row-{later}")).to_be_visible()


def test_what_an_llm_writes_is_read_while_it_writes(page: Page, engine: Engine, fleet: Fleet) -> None:
    with Session(engine) as session:
        book = Book(book_id=new_id(), title="The Salt Ledger", props={})
        session.add(book)
        session.commit()
        book_id = book.book_id
    props = {"brief": "# The Salt Ledger\n\nIlse keeps a ledger. Joren breaks it.", "style": "Plain."}
    job_id = add(engine, "create_foundation", book_id=book_id, props=props)
    page.goto(f"/jobs/{job_id}")
    fleet.start(env={"BOOKBOT_OFFLINE_WORDS_PER_SECOND": "100"})
    text = page.locator("#live-text")
    expect(text).to_be_visible(timeout=SECONDS)
    first = len(text.inner_text())
    page.wait_for_function("(first) => document.getElementById('live-text').textContent.length > first", arg=first)
    state(page, "completed")
    expect(page.locator("#live-text-section")).to_be_hidden(timeout=SECONDS)
    expect(page.get_by_role("heading", name="Conversation with the model")).to_be_visible()
