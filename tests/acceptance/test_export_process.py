"""The process a format runs in: bounded, killed on cancel, gone with its worker, and never trusted with a secret."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from bookbot_worker.cancellation import StopReason, StopToken
from bookbot_worker.exporters import FORMATS, ExportFailed
from bookbot_worker.exporters.in_child import Limits, Listener, render
from bookbot_worker.exporters.options import ExportOptions
from bookbot_worker.outcomes import JobCancelled
from tests.support.bad_formats import bad_format
from tests.support.docs import ROOT
from tests.support.processes import kill_group, spawn, state_of
from tests.support.running import eventually
from tests.unit.test_exporters_hostile import exported, manuscript, row

pytestmark = pytest.mark.acceptance

PLENTY = Limits(memory_mb=1024, seconds=60)
BOOK = manuscript(row("One."), row("Two.", chapter=2, position=2))
WORKER = """
from contextlib import nullcontext
from bookbot_worker.exporters.in_child import Limits, Listener, render
from bookbot_worker.exporters.options import ExportOptions
from tests.acceptance.test_export_process import BOOK
from tests.support.bad_formats import bad_format
listener = Listener(lambda _done, pid: print(pid, flush=True), print, lambda _close: nullcontext())
render(bad_format("hangs"), BOOK, ExportOptions(), Limits(1024, 60), listener)
"""


def of(
    function: str,
    limits: Limits = PLENTY,
    closing: Callable[[Callable[[], object]], AbstractContextManager[None]] = lambda _close: nullcontext(),
    progress: Callable[[float, str], None] = lambda _fraction, _message: None,
    warn: Callable[[str], None] = lambda _message: None,
) -> bytes:
    """What a bad format gives."""
    return render(bad_format(function), BOOK, ExportOptions(), limits, Listener(progress, warn, closing))


@pytest.mark.parametrize("name", ["epub", "html", "markdown"])
def test_a_child_makes_the_same_file_and_tells_of_every_chapter(name: str) -> None:
    told: list[tuple[float, str]] = []
    listener = Listener(lambda *step: told.append(step), print, lambda _close: nullcontext())
    assert render(FORMATS[name], BOOK, ExportOptions(), PLENTY, listener) == exported(BOOK, name)
    assert told == [(0.5, "chapter 1 of 2"), (1.0, "chapter 2 of 2")]


@pytest.mark.parametrize(
    ("function", "limits", "message"),
    [
        ("hangs", Limits(1024, 1.5), "the export took longer than 1.5 s, which is BOOKBOT_EXPORT_SECONDS"),
        ("grows", PLENTY, "the export needs more than 1024 MB of memory, which is BOOKBOT_EXPORT_MEMORY_MB"),
        ("dies", PLENTY, "the exporting process was ended by SIGKILL"),
        ("raises", PLENTY, "the exporting process ended with code 1: ZeroDivisionError: a mistake"),
        ("refuses", PLENTY, "no font has the letter 字"),
    ],
)
def test_what_a_format_does_to_its_process_is_one_sentence(function: str, limits: Limits, message: str) -> None:
    with pytest.raises(ExportFailed) as failure:
        of(function, limits)
    assert str(failure.value) == message


def test_what_a_format_prints_is_no_answer_and_what_it_warns_of_is_told() -> None:
    warned: list[str] = []
    assert of("chatters", warn=warned.append) == b"the file"
    assert warned == ["the letter 字 is missing"]


def test_a_cancelled_job_kills_the_process_at_once() -> None:
    token, pids = StopToken(), list[int]()

    def stop(_fraction: float, pid: str) -> None:
        pids.append(int(pid))
        token.fire(StopReason.CANCEL)

    with pytest.raises(JobCancelled):
        of("hangs", closing=token.closing, progress=stop)
    assert [state_of(pid) for pid in pids] == [""]


def test_a_job_that_was_cancelled_before_starts_nothing_that_stays() -> None:
    token = StopToken()
    token.fire(StopReason.CANCEL)
    with pytest.raises(JobCancelled):
        of("hangs", closing=token.closing)


def test_what_progress_raises_ends_the_process_too() -> None:
    pids: list[int] = []

    def stop(_fraction: float, pid: str) -> None:
        pids.append(int(pid))
        raise JobCancelled

    with pytest.raises(JobCancelled):
        of("hangs", progress=stop)
    assert [state_of(pid) for pid in pids] == [""]


def test_the_process_ends_with_a_worker_that_is_killed() -> None:
    worker = spawn([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert worker.stdout
        with worker.stdout:
            pid = int(worker.stdout.readline())
        worker.send_signal(signal.SIGKILL)
        eventually(lambda: state_of(pid) in ("", "Z"))
    finally:
        kill_group(worker)


def test_signals_meant_for_the_worker_do_not_end_an_export() -> None:
    def signalled(_fraction: float, pid: str) -> None:
        os.kill(int(pid), signal.SIGTERM)
        os.kill(int(pid), signal.SIGINT)

    with pytest.raises(ExportFailed, match="took longer than"):
        of("hangs", Limits(1024, 1.5), progress=signalled)


def test_a_format_sees_no_setting_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@host/db")
    monkeypatch.setenv("BOOKBOT_WEB_TOKEN", "secret")
    seen = json.loads(of("tells"))
    assert not [name for name in seen if name.startswith(("BOOKBOT", "DATABASE"))]
    assert "secret" not in str(seen)
