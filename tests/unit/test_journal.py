"""The process log in systemd's journal: entries with fields of their own, told from each other whatever is in them."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bookbot_worker.telemetry import journal
from bookbot_worker.telemetry.journal import Journal, leads_to_journal
from bookbot_worker.telemetry.logging import configure_logging
from shared.settings import load_settings

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A journal that takes what it is sent."""
    address = str(tmp_path / "journal")
    monkeypatch.setattr(journal, "SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(10)
        yield listener


def read(datagram: bytes) -> dict[str, str]:
    """The fields of an entry, as the journal would read them."""
    fields = {}
    while datagram:
        name, _, rest = datagram.partition(b"\n")
        length = int.from_bytes(rest[:8], "little")
        fields[name.decode()] = rest[8 : 8 + length].decode()
        assert rest[8 + length : 9 + length] == b"\n"
        datagram = rest[9 + length :]
    return fields


@pytest.fixture
def stderr(tmp_path: Path, taken: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stderr that systemd has connected with its journal, which takes what the log says."""
    assert taken.fileno() > 0
    path = tmp_path / "stderr"
    with path.open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        configure_logging(load_settings(), stream)
        yield path


def test_an_event_becomes_an_entry_with_its_fields_and_its_priority(taken: socket.socket, stderr: Path) -> None:
    structlog.get_logger().warning("job.settled", job_id="0199", state="error", count=2, error="it broke")
    assert read(taken.recv(8192)) == {
        "MESSAGE": 'job.settled job_id=0199 state=error count=2 error="it broke"',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "bookbot-worker",
        "BOOKBOT_EVENT": "job.settled",
        "BOOKBOT_JOB_ID": "0199",
        "BOOKBOT_STATE": "error",
        "BOOKBOT_COUNT": "2",
        "BOOKBOT_ERROR": "it broke",
    }
    assert stderr.read_text() == ""


@pytest.mark.usefixtures("stderr")
def test_what_a_job_logs_can_be_no_other_field(taken: socket.socket) -> None:
    hostile = "a\nPRIORITY=0\n_UID=0\nMESSAGE\n\x1b[31m\u202e\ud800"
    structlog.get_logger().info("job.log", message=hostile, **{"_uid": "0", "naïve key": "x"})
    fields = read(taken.recv(8192))
    assert fields["PRIORITY"] == "6"
    assert fields["BOOKBOT__UID"] == "0"
    assert fields["BOOKBOT_NA_VE_KEY"] == "x"
    assert len(fields["MESSAGE"].splitlines()) == 1
    assert not set(fields["MESSAGE"]) & set("\x1b\u202e")
    assert "_UID" not in fields


@pytest.mark.usefixtures("stderr")
def test_a_traceback_is_told_below_the_event(taken: socket.socket) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("worker.failed")
    fields = read(taken.recv(65536))
    assert fields["PRIORITY"] == "3"
    assert fields["MESSAGE"].splitlines()[0] == "worker.failed"
    assert fields["MESSAGE"].splitlines()[-1] == "ValueError: broken"


def test_an_entry_the_journal_refuses_becomes_a_line_that_keeps_its_priority(stderr: Path) -> None:
    structlog.get_logger().error("job.log", message="x" * 2_000_000)
    assert stderr.read_text().startswith("<3>job.log message=xxx")


def test_a_journal_that_takes_nothing_holds_up_nobody_for_long(
    taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PATIENCE", 0.01)
    fallen: list[str] = []
    sender = Journal(fallen.append, taken.getsockname())
    (line, entry), _ = sender.render(None, "info", {"event": "job.claimed", "level": "info"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood:
        flood.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                flood.sendto(entry, taken.getsockname())
    sender.msg(line, entry)
    assert fallen == []


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_who_asks_for_a_format_gets_it_also_under_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert leads_to_journal(stream)
        configure_logging(load_settings(log_format=log_format), stream)
        structlog.get_logger().info("job.claimed", count=3)
    assert "job.claimed" in (tmp_path / "stderr").read_text()


def test_a_stderr_that_was_led_elsewhere_is_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    with (tmp_path / "stderr").open("w") as stream:
        assert not leads_to_journal(stream)
        configure_logging(load_settings(), stream)
        structlog.get_logger().info("job.claimed", count=3)
    assert json.loads((tmp_path / "stderr").read_text())["count"] == 3
