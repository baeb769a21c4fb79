"""Fixtures of the acceptance tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.support.fault_options import on_failure
from tests.support.fleet import Fleet


@pytest.fixture
def fleet(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Starts real workers on the test's database; those that are left at the end are killed."""
    fleet = Fleet(settings, tmp_path)
    on_failure(request.node, "worker logs", fleet.tails)
    yield fleet
    fleet.close()
