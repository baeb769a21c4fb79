"""The reference cannot drift: pages that are generated are what would be generated now, and lists are whole."""

import re
from typing import Any

import pytest
from sqlalchemy import CheckConstraint

from bookbot_web import create_app
from shared.models import Base
from shared.states import TERMINAL, TRANSITIONS, JobState
from tests.support.docs import ROOT
from tests.support.reference import COMMANDS, TABLES, commands_page, tables, tables_page

pytestmark = pytest.mark.unit

STATES = ROOT / "docs" / "states.md"
AGAIN = "run: python -m tests.support.reference"


def test_every_command_and_option_is_on_its_page_as_its_help_says_it() -> None:
    assert COMMANDS.read_text(encoding="utf-8") == commands_page(), AGAIN


def test_every_table_and_column_is_on_its_page() -> None:
    written = TABLES.read_text(encoding="utf-8")
    assert written == tables_page(written), AGAIN


def test_every_table_and_column_is_explained() -> None:
    written = TABLES.read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| [^|]* \| +\|$", written, re.MULTILINE) == []
    assert [table.name for table in tables() if re.search(rf"^## {table.name}\n\n+\|", written, re.MULTILINE)] == []


def section(heading: str) -> dict[str, list[str]]:
    """The rows of the table in this section of the page of states, by their first cell."""
    text = STATES.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in row.strip("|").split(" | ")] for row in text.splitlines() if row.startswith("| `")
    ]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_every_state_of_a_job_is_explained_with_its_ways_on() -> None:
    rows = section("Of a job")
    assert list(rows) == list(JobState)
    for state, (meaning, ways) in rows.items():
        assert meaning
        assert {JobState(way) for way in re.findall(r"`(\w+)`", ways)} == TRANSITIONS[JobState(state)]
    assert set(list(rows)[-4:]) == TERMINAL, "the page says that the last four are final"


@pytest.mark.parametrize(
    ("heading", "table", "constraint"),
    [
        ("Of a dependency", "job_dependencies", "needs_known"),
        ("Of a call of a language model", "llm_calls", "status_known"),
    ],
)
def test_the_words_that_the_database_takes_are_explained(heading: str, table: str, constraint: str) -> None:
    (check,) = (
        each
        for each in Base.metadata.tables[table].constraints
        if isinstance(each, CheckConstraint) and str(each.name).endswith(constraint)
    )
    assert list(section(heading)) == re.findall(r"'(\w+)'", str(check.sqltext))


def routes(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Method and path of everything in an OpenAPI document."""
    return {
        (method.upper(), re.sub(r"\{\w+\}", "{id}", path))
        for path, methods in document["paths"].items()
        for method in methods
    }


def test_every_route_of_the_api_is_on_its_page() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    found: set[tuple[str, str]] = set()
    for row in re.findall(r"^\| (`(?:GET|POST).*?) \| ", page, re.MULTILINE):
        before = ""
        for method, path in re.findall(r"`(?:(GET|POST) )?([/…][^`]*)`", row):
            whole = re.sub(r"\{\w+\}", "{id}", path.replace("…", before))
            before = before or whole[: whole.find("{id}") + len("{id}")]  # what "…" stands for in the rest of the row
            found.add((method or "GET", whole))
    assert found == routes(create_app().openapi())
