"""Fixtures of the acceptance tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.job_types import catalogue
from shared.settings import Settings
from tests.faults.jobs import JOB_TYPES
from tests.support.fault_options import on_failure
from tests.support.fleet import Fleet
from tests.support.installation import installed
from tests.support.machine import Machine, build_environment, why_not


@pytest.fixture
def fleet(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Starts real workers on the test's database; those that are left at the end are killed."""
    fleet = Fleet(settings, tmp_path)
    on_failure(request.node, "worker logs", fleet.tails)
    yield fleet
    fleet.close()


@pytest.fixture(scope="session")
def environment_of_units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual environment that all machines with systemd share."""
    if (missing := why_not()) is not None:
        pytest.fail(f"a machine with systemd cannot be booted: {missing}")
    return build_environment(tmp_path_factory.mktemp("opt") / "venv")


@pytest.fixture
def machine(environment_of_units: Path, settings: Settings, tmp_path: Path) -> Iterator[Machine]:
    """A machine with systemd on which everything is installed as the guide says, and nothing started."""
    for job_type in JOB_TYPES:
        catalogue().add(job_type)
    with installed(environment_of_units, settings.database_url.get_secret_value(), tmp_path) as machine:
        yield machine
