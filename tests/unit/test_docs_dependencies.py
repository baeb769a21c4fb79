"""Every dependency has its reason, and no reason outlives its dependency."""

import configparser
import re

import pytest

from tests.support.docs import ROOT

pytestmark = pytest.mark.unit


def declared() -> dict[str, set[str]]:
    """The names of packages in setup.cfg, without versions and extras: those to run, those to test and develop."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = config["options.extras_require"]

    def names(text: str) -> set[str]:
        return {re.split(r"[\s\[<>=;]", line)[0] for line in text.splitlines() if line}

    return {"run": names(config["options"]["install_requires"]), "test": names("\n".join(extras.values()))}


def listed(heading: str) -> set[str]:
    """The names in the first column of the table under a heading."""
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_each_dependency_is_listed_once_with_its_reason() -> None:
    assert listed("To run") == declared()["run"]
    assert listed("To test and to develop") == declared()["test"]


def test_the_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines if "==" in line}
    wanted = {name.lower() for names in declared().values() for name in names}
    assert wanted - pinned == set()
