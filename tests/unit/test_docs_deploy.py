"""The unit file is one systemd accepts, and its times and codes fit the worker's."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bookbot_worker.cli.exit_codes import ExitCode
from bookbot_worker.daemon import LATE_END
from shared.settings import Settings
from tests.support.docs import ROOT, blocks

pytestmark = pytest.mark.unit

UNIT = ROOT / "deploy" / "systemd" / "bookbot-worker@.service"
PAGE = ROOT / "docs" / "deploy.md"


def service() -> dict[str, str]:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read_string(UNIT.read_text(encoding="utf-8"))
    return dict(config["Service"])


def test_systemd_waits_longer_than_the_worker_drains() -> None:
    drain, grace = (Settings.model_fields[name].default for name in ("drain_seconds", "stop_grace_seconds"))
    assert int(service()["TimeoutStopSec"]) >= drain + grace + LATE_END + 5
    assert service()["KillSignal"] == "SIGTERM"


def test_a_worker_can_tell_that_another_one_s_process_is_gone() -> None:
    """It needs the id of the boot, which is in /proc but belongs to no process."""
    assert "ProcSubset" not in service()


def test_a_wrong_setting_does_not_restart_for_ever() -> None:
    assert int(service()["RestartPreventExitStatus"]) == ExitCode.CONFIGURATION


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_every_line(tmp_path: Path) -> None:
    command = service()["ExecStart"].split()[0]
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(command, shutil.which("true") or ""), encoding="utf-8")
    verify = ["systemd-analyze", "verify", "--recursive-errors=yes", "--man=no", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_shows_the_procfile_as_it_is() -> None:
    assert (ROOT / "Procfile").read_text(encoding="utf-8") in blocks(PAGE, "text")


def test_ci_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=10)
