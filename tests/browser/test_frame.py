"""The frame of every page: theme, keys, phone width, and what axe says of it."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import accessibility_faults

pytestmark = pytest.mark.acceptance


def test_the_theme_is_kept_and_there_before_the_page_is_shown(page: Page) -> None:
    page.goto("/")
    switch = page.get_by_role("button", name="Theme")
    expect(switch).to_have_text("Theme: auto")
    switch.click()
    switch.click()
    expect(switch).to_have_text("Theme: dark")
    page.reload(wait_until="commit")
    page.wait_for_selector("body", state="attached")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_keys_open_the_list_of_keys_and_lead_to_pages(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.get_by_role("link", name="Overview")).to_have_attribute("aria-current", "page")


def test_the_first_tab_leads_past_the_navigation(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_overview_has_no_faults_of_accessibility(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    page.goto("/")
    assert accessibility_faults(page) == []
