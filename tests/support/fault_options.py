"""pytest's side of the fault tests: options, what a failed test says besides its traceback, the table of figures.

A plugin, named in `tests/conftest.py`, because pytest asks for options before it looks into `tests/faults`.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Generator

import pytest

FIGURE = "figure: "
"""Begins the name of a property of a test report that is a measured number; under pytest-xdist reports travel."""

_TESTIMONIES = pytest.StashKey[list[tuple[str, Callable[[], str]]]]()


def on_failure(node: pytest.Item, title: str, text: Callable[[], str]) -> None:
    """Should this test fail, its report gets a section with what `text` returns then."""
    node.stash.setdefault(_TESTIMONIES, []).append((title, text))


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, of every run."""
    group = parser.getgroup("faults")
    group.addoption("--all-faults", action="store_true", help="also run the fault tests that take minutes")
    group.addoption("--systemd", action="store_true", help="also boot a machine with systemd and try the units in it")
    group.addoption("--seed", type=int, help="replay a fault test whose failure has named this number")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow ones out, and those that need a machine of their own, unless asked for."""
    for marker, option in (("slow_faults", "--all-faults"), ("systemd", "--systemd")):
        if config.getoption(option):
            continue
        if left_out := [item for item in items if item.get_closest_marker(marker)]:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the testimonies before the report is made."""
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        for title, text in item.stash.get(_TESTIMONIES, []):
            item.add_report_section(call.when, title, _told(text))
    return (yield)


def _told(text: Callable[[], str]) -> str:
    """Where the last teardown fails, what would be told about may be gone."""
    try:
        return text()
    except OSError as error:
        return f"nothing left to tell: {error}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured, by name, over all tests that measured it."""
    figures: dict[str, list[float]] = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, value in report.user_properties:
                    if name.startswith(FIGURE):
                        figures[name.removeprefix(FIGURE)].append(value)
    if figures:
        terminalreporter.section("figures")
        width = max(map(len, figures))
        terminalreporter.line(f"{'':{width}} {'median':>9} {'least':>9} {'most':>9}  times")
        for name, values in sorted(figures.items()):
            shown = " ".join(f"{value:9.2f}" for value in (statistics.median(values), min(values), max(values)))
            terminalreporter.line(f"{name:{width}} {shown}  {len(values):5}")
