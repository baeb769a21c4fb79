"""Fixtures of the tests in a real browser: one Chromium for each file, a web process and a fresh page for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from shared.settings import Settings
from tests.support.browser import ARGUMENTS, Web, chromium
from tests.support.fault_options import on_failure
from tests.support.fleet import Fleet


@pytest.fixture
def settings(postgres_settings: Settings) -> Settings:
    """The tests of the pages run on PostgreSQL; what the pages show is tested on both databases elsewhere."""
    return postgres_settings


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window.

    Not for the whole run: as long as it lives an event loop runs in this thread, and tests of ours that start one fail.
    """
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def web(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Web]:
    """A web process that answers: `web.url`; it can be stopped and started again."""
    web = Web(settings, tmp_path / "web.log")
    on_failure(request.node, "web log", web.tail)
    web.start()
    yield web
    web.close()


@pytest.fixture
def fleet(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Starts real workers on the test's database; those that are left at the end are killed."""
    fleet = Fleet(settings, tmp_path)
    on_failure(request.node, "worker logs", fleet.tails)
    yield fleet
    fleet.close()


@pytest.fixture
def troubles() -> list[str]:
    """What the page has complained about so far. A test that provokes a complaint looks at it, and clears it."""
    return []


@pytest.fixture
def page(browser: Browser, web: Web, troubles: list[str]) -> Iterator[Page]:
    """A page in a profile of its own. The test fails if it breaks the policy, raises or logs an error."""
    context = browser.new_context(base_url=web.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            troubles.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    page.on("console", heard)
    page.on("pageerror", lambda error: troubles.append(f"raised: {error}"))
    yield page
    context.close()
    assert troubles == []
