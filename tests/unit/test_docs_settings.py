"""The table of settings and .env.example list every setting, and their defaults are the real ones."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.settings import Settings, load_settings
from tests.support.docs import ROOT

pytestmark = pytest.mark.unit

ROW = re.compile(r"^\| `([A-Z_]+)` \| (`([^`]*)`|[^|]*?) \|", re.MULTILINE)
EXAMPLE = re.compile(r"^#([A-Z_]+)=(.*)$", re.MULTILINE)

DEPENDS_ON_THE_HOST = "BOOKBOT_WORKER_NAME"


def variable(field: str) -> str:
    return "DATABASE_URL" if field == "database_url" else f"BOOKBOT_{field.upper()}"


VARIABLES = {variable(name): name for name in Settings.model_fields}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting comes from where the tests run."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def documented() -> dict[str, str]:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    return {found[1]: found[3] or "" for found in ROW.finditer(page)}


def example() -> dict[str, str]:
    return dict(EXAMPLE.findall((ROOT / ".env.example").read_text(encoding="utf-8")))


def test_the_table_lists_exactly_the_settings_in_their_order() -> None:
    assert list(documented()) == list(VARIABLES)


def test_the_example_lists_exactly_the_settings_in_their_order() -> None:
    assert list(example()) == list(VARIABLES)


def test_the_example_sets_nothing_as_it_stands() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("place", [documented, example])
def test_setting_the_documented_default_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, place: Callable[[], dict[str, str]]
) -> None:
    given = place()[name]
    if name == DEPENDS_ON_THE_HOST:
        assert given == ""
        return
    default = load_settings()
    monkeypatch.setenv(name, given)
    assert plain(load_settings(), name) == plain(default, name)


def plain(settings: Settings, name: str) -> object:
    """The setting's value; a secret that is empty is the same as none."""
    value = getattr(settings, VARIABLES[name])
    return value.get_secret_value() or None if isinstance(value, SecretStr) else value


def test_a_dot_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BOOKBOT_CONCURRENCY=3\nBOOKBOT_POLL_SECONDS=7\n")
    monkeypatch.setenv("BOOKBOT_CONCURRENCY", "4")
    settings = load_settings()
    assert (settings.concurrency, settings.poll_seconds) == (4, 7.0)
    assert load_settings(concurrency=5).concurrency == 5
