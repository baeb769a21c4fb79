"""Every page of jobs in light, dark and on a phone: nothing keeps people out, nothing sticks out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobLog, LlmCall, OutputFile, Queue, Worker
from tests.support.browser import Web, accessibility_faults

pytestmark = pytest.mark.acceptance

PAGES = (
    "/",
    "/?window=day",
    "/jobs",
    "/jobs?state=failed",
    "/jobs?queue=none",
    "job",
    "failed",
    "running",
    "log",
    "call",
)
LONG = "a_word_that_does_not_want_to_be_broken_anywhere_" * 6


def put(session: Session, job_id: str, state: str, **values: Any) -> None:
    ended = {"completed_at": datetime.now(UTC)} if state not in ("waiting", "running") else {}
    started = {} if state == "waiting" else {"started_at": datetime.now(UTC) - timedelta(seconds=40), "attempt": 1}
    session.execute(update(Job).where(Job.job_id == job_id).values({"state": state, **started, **ended, **values}))


@pytest.fixture
def addresses(session: Session) -> dict[str, str]:
    """A small world with everything in it; the addresses of its pages by name."""
    now = datetime.now(UTC)
    worker = Worker(
        worker_id=new_id(), name="worker-one", hostname="h", pid=1, version="1", queues=[], job_types=["demo"],
        concurrency=4, state="running", lease_until=now + timedelta(hours=1), trouble=f"cannot reach {LONG}",
    )  # fmt: skip
    book = Book(book_id=new_id(), title=f"The Salt Ledger {LONG}", props={})
    session.add_all([worker, book, Queue(queue="slow", paused_at=now)])
    session.flush()

    def add(**values: Any) -> str:
        job_id = create_job(job_type="demo", session=session, **values).job_id
        session.flush()
        return job_id

    waiting = add(queue="slow")
    job = add(book_id=book.book_id, unique_key=LONG[:200])
    for state in ("completed", "failed", "running", "error", "cancelled", "waiting"):
        worker_id = worker.worker_id if state == "running" else None
        put(session, add(parent_job_id=job), state, worker_id=worker_id, progress=0.4)
    failed = add(depends_on=[waiting])
    put(session, failed, "failed", error_message=f"host.example cannot be reached {LONG}", error_trace=LONG)
    running = add()
    put(session, running, "running", worker_id=worker.worker_id, progress=0.3, progress_message=LONG)
    put(session, job, "completed", result={"words": LONG}, progress=1)
    for seq in range(1, 40):
        level = ("INFO", "WARNING", "ERROR", "DEBUG")[seq % 4]
        session.add(
            JobLog(
                job_id=job, attempt=1, seq=seq, claim_id=book.book_id, level=level, message=f"line {seq} {LONG}",
                props={"seq": seq, "text": LONG}, created_at=now,
            )
        )  # fmt: skip
    call = LlmCall(
        call_id=new_id(), job_id=job, attempt=1, seq=1, request_hash="x", provider="p", model="model-a", status="done",
        request={"messages": [{"role": "user", "content": LONG}]}, response=LONG, input_tokens=3, output_tokens=9,
    )  # fmt: skip
    file = OutputFile(
        file_id=new_id(), book_id=book.book_id, job_id=job, name=f"{LONG[:200]}.epub", format="epub",
        media_type="application/epub+zip", size_bytes=3, sha256="0" * 64, content=b"abc",
    )  # fmt: skip
    session.add_all([call, file])
    session.commit()
    scene = Chunk(
        chunk_id=new_id(), book_id=book.book_id, type="scene", text=f"She *waits* {LONG}.", chapter=1, position=1
    )
    session.add(scene)
    session.commit()
    return {
        **{path: path for path in PAGES},
        "book": f"/books/{book.book_id}",
        "start": f"/books/{book.book_id}/start/generate_book",
        "scene": f"/chunks/{scene.chunk_id}",
        "bulk": "/jobs/bulk?action=cancel-all",
        "job": f"/jobs/{job}",
        "failed": f"/jobs/{failed}",
        "running": f"/jobs/{running}",
        "log": f"/jobs/{job}/log?q=line",
        "call": f"/jobs/{job}/calls/{call.call_id}",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out_of_any_page(page: Page, addresses: dict[str, str], scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    faults = {}
    for name, address in addresses.items():
        page.goto(address)
        for section in page.locator("details").all():
            section.evaluate("(section) => section.setAttribute('open', '')")
        if found := accessibility_faults(page):
            faults[name] = found
    assert faults == {}


def test_on_a_phone_no_page_scrolls_sideways(page: Page, addresses: dict[str, str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    wide = {}
    for name, address in addresses.items():
        page.goto(address)
        excess = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if excess > 0:
            wide[name] = excess
    assert wide == {}


def test_keys_lead_through_a_list_to_a_job_and_never_while_typing(page: Page, addresses: dict[str, str]) -> None:
    page.goto("/jobs")
    links = page.locator("[data-row]")
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("/")
    field = page.get_by_role("textbox", name="Go to")
    expect(field).to_be_focused()
    page.keyboard.type("j?g")
    expect(field).to_have_value("j?g")
    expect(page.get_by_role("dialog")).to_be_hidden()
    field.fill("")
    links.nth(1).focus()
    target = links.nth(1).get_attribute("href") or ""
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{target}")
    assert addresses


def test_the_order_of_focus_on_a_job_is_the_order_of_reading(page: Page, addresses: dict[str, str]) -> None:
    page.goto(addresses["failed"])
    page.locator("main").focus()
    seen = []
    for _ in range(5):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert seen == ["retry", "again", "Trace", "log-level", "log-q"]


def test_a_long_prompt_is_fetched_when_its_section_is_opened(page: Page, addresses: dict[str, str]) -> None:
    page.goto(addresses["job"])
    expect(page.get_by_label("answer")).to_have_count(0)
    page.locator("details.call summary").click()
    expect(page.get_by_label("answer")).to_contain_text("a_word")


def test_a_link_to_a_line_that_is_not_on_the_page_leads_to_it(page: Page, session: Session) -> None:
    job_id = create_job(job_type="demo", session=session).job_id
    claim = new_id()
    rows = [
        {"job_id": job_id, "attempt": 1, "seq": seq, "claim_id": claim, "level": "INFO", "message": f"line {seq}"}
        for seq in range(1, 1501)
    ]
    session.flush()
    session.execute(JobLog.__table__.insert(), [row | {"created_at": datetime.now(UTC), "props": None} for row in rows])
    session.commit()
    page.goto(f"/jobs/{job_id}#L1-20")
    page.wait_for_url("**/log?line=1-20#L1-20")
    expect(page.locator("#L1-20")).to_be_in_viewport()


def test_selected_rows_are_counted_and_all_can_be_chosen_at_once(page: Page, addresses: dict[str, str]) -> None:
    page.goto(addresses["/jobs"])
    expect(page.locator("#selected")).to_have_text("Select all on this page")
    boxes = page.locator('#job-rows input[type="checkbox"]')
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.locator("#selected")).to_have_text("3 selected")
    page.locator("#select-all").click()
    expect(page.locator("#selected")).to_have_text(f"{boxes.count()} selected")


def test_without_scripts_a_job_is_found_called_off_and_said_to_be(
    browser: Browser, web: Web, session: Session, addresses: dict[str, str]
) -> None:
    context = browser.new_context(base_url=web.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(addresses["/jobs"])
    page.get_by_label("Type").select_option("demo")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="waiting").first.click()
    page.locator("[data-row]").first.click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status").first).to_contain_text("being called off")
    expect(page.get_by_role("button", name="Cancelling")).to_be_disabled()
    context.close()
    assert session.query(Job).filter(Job.cancel_requested_at.is_not(None)).count() == 1
