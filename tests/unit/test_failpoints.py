"""Failpoints do nothing unless asked to, and then only what was asked, at the time that was asked."""

import ast
import os
import subprocess
import sys

import pytest

from bookbot_worker import failpoints
from tests.support.docs import ROOT

pytestmark = pytest.mark.unit


def test_without_the_variable_nothing_is_set() -> None:
    assert failpoints.VARIABLE not in os.environ
    assert failpoints._set is None
    for name in failpoints.NAMES:
        failpoints.reach(name)


def reached() -> set[str]:
    """Every name the worker's code passes to `reach`."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "bookbot_worker").rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if getattr(call.func, "id", "") == "reach" and isinstance(call.args[0], ast.Constant)
    }


def test_the_names_are_those_of_the_places() -> None:
    assert reached() == set(failpoints.NAMES)


def run(setting: str, times: int) -> subprocess.CompletedProcess[str]:
    loop = f"for n in range({times}): print(n, flush=True); reach('run.enter')"
    code = f"from bookbot_worker.failpoints import reach\n{loop}"
    environment = os.environ | {failpoints.VARIABLE: setting}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_acts_at_the_time_that_was_asked() -> None:
    assert (run("run.enter:kill:3", 5).returncode, run("run.enter:kill:3", 5).stdout.split()) == (-9, ["0", "1", "2"])
    assert run("run.enter:exit", 5).stdout.split() == ["0"]
    assert "FailpointReached" in run("run.enter:raise:2", 5).stderr
    assert run("run.left:kill", 5).stdout.split() == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("setting", ["nowhere:kill", "run.enter", "run.enter:explode", "run.enter:kill:soon"])
def test_a_setting_that_means_nothing_is_refused(setting: str) -> None:
    done = run(setting, 1)
    assert done.returncode == 1
    assert failpoints.VARIABLE in done.stderr
