"""The alert rules, the dashboard and the page about the figures name what a worker really shows."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bookbot_worker.testing import ScriptedLLM
from shared.settings import Settings
from tests.support.docs import ROOT
from tests.support.postgres import free_port
from tests.support.product import processor_of_all
from tests.support.running import eventually, running

pytestmark = pytest.mark.integration

RULES = ROOT / "deploy" / "prometheus" / "bookbot.rules.yml"
BOARD = ROOT / "deploy" / "grafana" / "bookbot.json"
PAGE = ROOT / "docs" / "metrics.md"

NAME = re.compile(r"\b(?:bookbot|process)_[a-z_]+\b")
PARTS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
LABELS = {"instance", "le"}
"""Labels that Prometheus gives."""


@pytest.fixture
def families(postgres_settings: Settings) -> dict[str, str]:
    """The families on the page of a worker on PostgreSQL, by name, with their types."""
    port = free_port()
    processor = processor_of_all(postgres_settings.model_copy(update={"health_port": port}), ScriptedLLM())

    def read() -> dict[str, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        told = {family.name: family.type for family in text_string_to_metric_families(text)}
        return told if "bookbot_database_rows" in told else {}

    with running(processor):
        found: dict[str, str] = eventually(read)
    return {name: kind for name, kind in found.items() if not name.endswith("_created")}


def shown(families: dict[str, str]) -> set[str]:
    """The names of the series."""
    return {name + part for name, kind in families.items() for part in PARTS[kind]}


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    return found


def table() -> dict[str, set[str]]:
    """The names in the page's tables, with their labels."""
    rows = re.findall(r"^\| `(bookbot_[a-z_]+)` \|([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a name stands there twice"
    return {name: set(re.findall(r"`([^`]+)`", labels)) for name, labels in rows}


def test_every_series_that_an_alert_asks_for_exists(families: dict[str, str]) -> None:
    asked = {name for rule in rules() for name in NAME.findall(rule["expr"])}
    assert len(asked) > 10
    assert asked - shown(families) == set()


def test_every_alert_says_what_has_happened_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_series_that_the_dashboard_asks_for_exists_and_all_are_shown(families: dict[str, str]) -> None:
    asked = {name for panel in panels() for target in panel.get("targets", ()) for name in NAME.findall(target["expr"])}
    assert asked - shown(families) == set()
    ours = {name for name in families if name.startswith("bookbot_")}
    left_out = {name for name in ours if not any(one.startswith(name) for one in asked)}
    assert left_out == set()


def test_the_dashboard_can_be_imported() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"


def test_labels_in_rules_and_panels_are_those_of_the_table() -> None:
    known = set().union(*table().values()) | LABELS
    exprs = [rule["expr"] for rule in rules()]
    exprs += [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    for expr in exprs:
        grouped = re.findall(r"\b(?:by|on|ignoring|without) \(([^)]*)\)", expr)
        matched = re.findall(r"([a-z_]+)=~?\"", expr)
        assert {label.strip() for part in grouped for label in part.split(",")} | set(matched) <= known, expr


def test_the_table_lists_exactly_what_is_shown(families: dict[str, str]) -> None:
    ours = {name + ("_total" if kind == "counter" else "") for name, kind in families.items()}
    assert set(table()) == {name for name in ours if name.startswith("bookbot_")}
