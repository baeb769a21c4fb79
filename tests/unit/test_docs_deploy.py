"""The unit files are ones systemd accepts and finds safe, and their times and codes fit the worker's."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bookbot_worker.cli.exit_codes import ExitCode
from bookbot_worker.daemon import LATE_END
from bookbot_worker.processor import STUCK_FACTOR
from shared.credentials import CREDENTIALS
from shared.settings import Settings
from tests.support.docs import ROOT, blocks

pytestmark = pytest.mark.unit

FOLDER = ROOT / "deploy" / "systemd"
WORKER = FOLDER / "bookbot-worker@.service"
SERVICES = sorted(FOLDER.glob("*.service"))
PAGE = ROOT / "docs" / "deploy.md"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
every_service = pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)


def service(unit: Path = WORKER, section: str = "Service") -> dict[str, str]:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read_string(unit.read_text(encoding="utf-8"))
    return dict(config[section])


def default(name: str) -> float:
    return float(Settings.model_fields[name].default)


def test_systemd_waits_longer_than_the_worker_drains() -> None:
    assert float(service()["TimeoutStopSec"]) >= default("drain_seconds") + default("stop_grace_seconds") + LATE_END + 5
    assert (service()["KillSignal"], service()["KillMode"]) == ("SIGTERM", "mixed")


def test_the_watchdog_waits_longer_than_a_turn_of_the_loop_may_take() -> None:
    """And than the heartbeat waits for a stuck loop, so that others have its jobs before it is ended."""
    longest_turn = STUCK_FACTOR * default("database_timeout_seconds")
    assert float(service()["WatchdogSec"]) > longest_turn + default("lease_seconds")
    assert service()["WatchdogSignal"] == "SIGQUIT", "writes the stacks of all threads"
    assert (service()["Type"], service()["NotifyAccess"]) == ("notify", "main")


def test_a_worker_can_tell_that_another_one_s_process_is_gone() -> None:
    """It needs the id of the boot, which is in /proc but belongs to no process."""
    assert "ProcSubset" not in service()


@pytest.mark.parametrize("name", ["bookbot-worker@", "bookbot-web"])
def test_a_wrong_setting_does_not_restart_for_ever(name: str) -> None:
    found = service(FOLDER / f"{name}.service")
    assert int(found["RestartPreventExitStatus"]) == ExitCode.CONFIGURATION
    assert found["Restart"] == "always"


@pytest.mark.parametrize("name", ["bookbot-worker@", "bookbot-web"])
def test_a_database_that_is_away_for_long_is_no_reason_to_give_up(name: str) -> None:
    """Neither are there too many starts, nor does a unit need that of PostgreSQL to have come up."""
    found = service(FOLDER / f"{name}.service", "Unit")
    assert found["StartLimitIntervalSec"] == "0"
    assert "postgresql.service" in found["After"].split()
    assert not [key for key, value in found.items() if key in ("Requires", "BindsTo") and "postgresql" in value]


def test_the_units_ask_for_the_secrets_that_settings_know() -> None:
    asked = {
        line.partition("=")[2]
        for unit in SERVICES
        for line in unit.read_text(encoding="utf-8").splitlines()
        if line.startswith("LoadCredential=")
    }
    assert asked == set(CREDENTIALS.values())


@needs_systemd
@pytest.mark.parametrize("unit", [*SERVICES, FOLDER / "bookbot.target"], ids=lambda unit: unit.name)
def test_systemd_accepts_every_line(tmp_path: Path, unit: Path) -> None:
    for each in FOLDER.iterdir():  # they name each other
        text = each.read_text(encoding="utf-8")
        if each in SERVICES:
            text = text.replace(service(each)["ExecStart"].split()[0], shutil.which("true") or "")
        (tmp_path / each.name).write_text(text, encoding="utf-8")
    verify = ["systemd-analyze", "verify", "--recursive-errors=yes", "--man=no", str(tmp_path / unit.name)]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@every_service
def test_systemd_finds_little_that_a_unit_could_do_harm_with(unit: Path) -> None:
    """At most 2.0 of 10; the threshold is in tenths."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_shows_the_procfile_as_it_is() -> None:
    assert (ROOT / "Procfile").read_text(encoding="utf-8") in blocks(PAGE, "text")


@pytest.mark.parametrize("script", [".ci/run", "deploy/rehearsal.sh"])
def test_scripts_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True, timeout=10)
