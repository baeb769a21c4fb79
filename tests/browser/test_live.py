"""A live page moves nothing its reader holds, and its stream is let go and taken up again without a gap."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.enqueue import create_job
from shared.settings import Settings
from tests.support.browser import Web
from tests.support.fleet import Fleet
from tests.support.sse import Stream

pytestmark = pytest.mark.acceptance

SECONDS = 30_000

BEFORE = """
<section id="region" data-live>
  <p id="said">before</p>
  <details id="more"><summary>More</summary><p id="inner">before</p></details>
  <form id="form"><input id="typed" value=""><input id="other" value="as it was"><textarea id="note"></textarea>
    <select id="choice"><option selected>one</option><option>two</option></select>
    <label><input type="checkbox" id="box"> box</label></form>
  <div id="scrolled"><p>before</p></div>
  <button id="button">A button</button>
  <p id="words">Some words of the page that somebody selects</p>
  <ul id="list"><li id="one">one</li><li id="two"><a href="#two" id="link">two</a></li></ul>
</section>
<section id="second" data-live><p id="apart">before</p></section>
<section id="still"><p id="fixed">before</p></section>
"""

AFTER = (
    BEFORE.replace("before", "after")
    .replace('<li id="one">one</li>', '<li id="zero">zero</li>')
    .replace("that somebody selects", "that came later")
    .replace("as it was", "as it is")
)

PUT = """(html) => {
  const main = document.getElementById("main");
  main.innerHTML = html;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("#scrolled { height: 40px; overflow: auto } #scrolled p { height: 400px }");
  document.adoptedStyleSheets = [sheet];
}"""

UPDATE = """async (html) => {
  const { updateRegions } = await import("/static/morph.js");
  return updateRegions(`<!doctype html><body><main id="main">${html}</main></body>`);
}"""


@pytest.fixture
def board(page: Page) -> Page:
    """A page with all that a reader can hold."""
    page.goto("/")
    page.evaluate(PUT, BEFORE)
    return page


def value(page: Page, selector: str) -> Any:
    return page.locator(selector).input_value()


def test_what_is_live_changes_and_nothing_else(board: Page) -> None:
    assert board.evaluate(UPDATE, AFTER) is True
    assert [board.inner_text(f"#{name}") for name in ("said", "apart", "fixed")] == ["after", "after", "before"]
    assert board.locator("#list li").all_inner_texts() == ["zero", "two"]
    assert value(board, "#other") == "as it is"


def test_what_is_half_typed_stays_with_the_caret_in_it(board: Page) -> None:
    board.locator("#typed").press_sequentially("half a wo")
    board.keyboard.press("ArrowLeft")
    board.locator("#note").fill("a note")
    board.locator("#choice").select_option("two")
    board.locator("#box").check()
    board.locator("#typed").focus()
    board.evaluate(UPDATE, AFTER)
    expect(board.locator("#typed")).to_be_focused()
    assert (value(board, "#typed"), value(board, "#note"), value(board, "#choice")) == ("half a wo", "a note", "two")
    assert board.locator("#box").is_checked()
    board.keyboard.type("!")
    assert value(board, "#typed") == "half a w!o"
    assert board.inner_text("#said") == "after"


def test_open_sections_the_focus_and_scrolled_boxes_stay(board: Page) -> None:
    board.locator("#more summary").click()
    board.locator("#scrolled").evaluate("(box) => { box.scrollTop = 120 }")
    board.locator("#link").focus()
    board.evaluate("window.scrollTo(0, 10)")
    top = board.evaluate("window.scrollY")
    board.evaluate(UPDATE, AFTER)
    assert board.locator("#more").evaluate("(more) => more.open")
    expect(board.locator("#inner")).to_have_text("after")
    expect(board.locator("#link")).to_be_focused()
    assert board.locator("#scrolled").evaluate("(box) => box.scrollTop") == 120
    assert board.evaluate("window.scrollY") == top


def test_a_region_with_selected_text_waits_and_others_do_not(board: Page) -> None:
    board.evaluate("document.getSelection().selectAllChildren(document.getElementById('words'))")
    assert board.evaluate(UPDATE, AFTER) is False
    assert board.evaluate("document.getSelection().toString()") == "Some words of the page that somebody selects"
    assert [board.inner_text(f"#{name}") for name in ("said", "apart")] == ["before", "after"]
    board.evaluate("document.getSelection().removeAllRanges()")
    assert board.evaluate(UPDATE, AFTER) is True
    assert board.inner_text("#words") == "Some words of the page that came later"


def test_a_focused_thing_that_the_page_no_longer_has_stays_until_it_is_left(board: Page) -> None:
    board.locator("#link").focus()
    gone = AFTER.replace('<li id="two"><a href="#two" id="link">two</a></li>', "")
    board.evaluate(UPDATE, gone)
    expect(board.locator("#link")).to_be_focused()
    board.locator("#button").focus()
    board.evaluate(UPDATE, gone)
    expect(board.locator("#link")).to_have_count(0)


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def add(engine: Engine, **props: Any) -> str:
    with Session(engine) as session:
        job_id = create_job(job_type="demo", props=props, session=session).job_id
        session.commit()
        return job_id


def test_a_hidden_tab_lets_its_stream_go_and_misses_nothing(page: Page, engine: Engine, fleet: Fleet) -> None:
    job_id = add(engine, steps=60, seconds=9)
    page.goto(f"/jobs/{job_id}")
    fleet.start()
    lines = page.locator("#log-lines .log-no")
    expect(page.locator("#L1-5")).to_be_attached(timeout=SECONDS)
    page.evaluate(HIDE, True)
    page.wait_for_selector("html[data-live-state=paused]")
    seen = lines.count()
    expect(lines).to_have_count(seen)
    page.evaluate(HIDE, False)
    expect(page.locator("#L1-60")).to_be_attached(timeout=SECONDS)
    assert [int(text) for text in lines.all_inner_texts()] == list(range(1, 61))
    page.wait_for_selector("html[data-live-state=ended]")


def test_where_there_is_no_room_the_page_comes_again(
    page: Page, settings: Settings, troubles: list[str], tmp_path: Any
) -> None:
    crowded = Web(settings, tmp_path / "crowded.log", BOOKBOT_WEB_STREAMS="1")
    crowded.start()
    try:
        stream = Stream(f"{crowded.url}/api/events?topics=jobs")
        assert stream.read_head() == 200
        page.goto(f"{crowded.url}/jobs")
        page.wait_for_selector("html[data-live-state=reconnecting]")
        stream.close()
        page.wait_for_selector("html[data-live-state=connected]")
        page.goto("about:blank")
    finally:
        crowded.close()
    assert [trouble for trouble in troubles if "503" not in trouble and "ERR_" not in trouble] == []
    troubles.clear()
