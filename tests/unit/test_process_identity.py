"""Telling a process that is gone from one that lives, and from one nobody can know about."""

import os
import subprocess
import sys

import pytest

from bookbot_worker.process_identity import identity, is_gone

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(identity(os.getpid()) is None, reason="this system's /proc does not tell processes apart"),
]


def test_a_living_process_is_not_gone() -> None:
    assert not is_gone(os.getpid(), identity(os.getpid()))


def test_a_process_that_has_ended_is_gone_reaped_or_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    then = identity(child.pid)
    assert not is_gone(child.pid, then)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken notice
    assert is_gone(child.pid, then)
    child.communicate()
    assert is_gone(child.pid, then)


def test_a_pid_that_is_used_again_is_another_process() -> None:
    boot_and_namespace, _, started = str(identity(os.getpid())).rpartition(" ")
    assert is_gone(os.getpid(), f"{boot_and_namespace} {int(started) - 1}")


@pytest.mark.parametrize(
    "elsewhere",
    [
        None,
        "another-boot pid:[4026531836] 77",
        "",
        "garbage",
    ],
)
def test_a_process_of_another_machine_or_namespace_is_never_gone(elsewhere: str | None) -> None:
    assert not is_gone(2**22, elsewhere)


def test_another_namespace_on_the_same_machine_is_elsewhere() -> None:
    boot, _, started = str(identity(os.getpid())).split(" ")
    assert not is_gone(2**22, f"{boot} pid:[1] {started}")
