"""The commands as real processes: a worker that empties the queue, followers, signals, pipes and terminals."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from shared.ids import new_id
from shared.models import JobLog
from shared.settings import Settings

pytestmark = pytest.mark.acceptance

COMMAND = [sys.executable, "-m", "bookbot_worker"]


class Shell:
    """Commands of one person, in one directory, on one database."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.environment = os.environ | {"DATABASE_URL": url}

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        return subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.directory, env=self.environment, text=True, encoding="utf-8", **pipes
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        assert "Traceback" not in err
        return out

    def read(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture
def shell(settings: Settings, tmp_path: Path) -> Shell:
    """A shell on a fresh, migrated database."""
    return Shell(tmp_path, settings.database_url.get_secret_value())


@contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Leaves no process behind."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for_state(shell: Shell, job_id: str, state: str) -> None:
    deadline = time.monotonic() + 30
    while (now := shell.read("jobs", "show", job_id)["state"]) != state:
        assert time.monotonic() < deadline, f"still {now}"
        threading.Event().wait(0.1)


def test_a_worker_empties_the_queue_while_others_follow(shell: Shell) -> None:
    job_id = shell.run("jobs", "enqueue", "demo", "--props", '{"steps": 3, "seconds": 1}').strip()
    follow = shell.start("jobs", "logs", job_id, "-f")
    watch = shell.start("jobs", "watch", job_id, "--exit-status")
    worker = shell.start("run", "--until-empty", "--poll-interval", "0.2", "--name", "tester")
    with running(follow), running(watch), running(worker):
        assert worker.wait(timeout=60) == 0
        lines, _ = follow.communicate(timeout=60)
        board, _ = watch.communicate(timeout=60)
    assert (follow.returncode, watch.returncode) == (0, 0)
    assert [line[-11:] for line in lines.splitlines()] == ["step 1 of 3", "step 2 of 3", "step 3 of 3"]
    assert board.splitlines()[-1].startswith("completed 100%  demo")
    assert shell.read("jobs", "show", job_id)["log_count"] == 3


def test_a_cancelled_job_stops_and_watch_says_so(shell: Shell) -> None:
    job_id = shell.run("jobs", "enqueue", "demo", "--props", '{"steps": 1000, "seconds": 600}').strip()
    with running(shell.start("run", "--poll-interval", "0.2")) as worker:
        wait_for_state(shell, job_id, "running")
        assert shell.run("jobs", "cancel", job_id) == "running\n"
        shell.run("jobs", "watch", job_id, "--exit-status", code=1)
        assert shell.read("jobs", "show", job_id)["state"] == "cancelled"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0


def test_a_second_signal_gives_the_job_back_at_once(shell: Shell) -> None:
    job_id = shell.run("jobs", "enqueue", "demo", "--props", '{"steps": 1000, "seconds": 600}').strip()
    with running(shell.start("run", "--poll-interval", "0.2")) as worker:
        wait_for_state(shell, job_id, "running")
        worker.send_signal(signal.SIGINT)
        threading.Event().wait(0.5)
        worker.send_signal(signal.SIGINT)
        assert worker.wait(timeout=20) == 0
    job = shell.read("jobs", "show", job_id)
    assert (job["state"], job["attempt"]) == ("waiting", 0)


def test_ctrl_c_in_a_follower_is_130_and_harms_no_job(shell: Shell, session: Session) -> None:
    job_id = shell.run("jobs", "enqueue", "demo").strip()
    line = {"attempt": 1, "seq": 1, "claim_id": new_id(), "props": None, "created_at": datetime.now(UTC)}
    session.add(JobLog(job_id=job_id, level="INFO", message="waiting to be read", **line))
    session.commit()
    for command in (["jobs", "watch", job_id], ["jobs", "logs", "-f", job_id]):
        with running(shell.start(*command, stderr=subprocess.STDOUT)) as follower:
            assert follower.stdout is not None
            assert "waiting" in follower.stdout.readline()
            follower.send_signal(signal.SIGINT)
            out, _ = follower.communicate(timeout=30)
            assert follower.returncode == 130
            assert out.strip().endswith("Interrupted.")
    assert shell.read("jobs", "show", job_id)["state"] == "waiting"


def test_a_reader_that_has_enough_is_no_error(shell: Shell) -> None:
    for _ in range(3):
        shell.run("jobs", "enqueue", "demo")
    reading, writing = os.pipe()
    os.close(reading)
    process = shell.start("jobs", "list", "--json", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def test_a_terminal_gets_a_table_and_no_colour_where_none_is_wanted(shell: Shell) -> None:
    job_id = shell.run("jobs", "enqueue", "demo").strip()
    for no_colour in (False, True):
        master, slave = pty.openpty()
        shell.environment |= {"TERM": "xterm-256color", "COLUMNS": "100"} | ({"NO_COLOR": "1"} if no_colour else {})
        process = shell.start("jobs", "list", stdout=slave, stderr=slave)
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 4096):
                shown += piece
        except OSError:  # the other end is closed: all is read
            pass
        os.close(master)
        assert process.wait(timeout=30) == 0
        assert job_id.encode() in shown
        assert b"\t" not in shown
        assert (b"\x1b[33m" in shown) is not no_colour


def test_run_on_an_unprepared_database_migrates_sqlite(tmp_path: Path) -> None:
    shell = Shell(tmp_path, f"sqlite:///{tmp_path}/new.db")
    shell.run("run", "--until-empty")
    assert shell.read("jobs", "list") == []


def test_run_on_an_unprepared_postgresql_refuses_with_78(postgres_settings: Settings, tmp_path: Path) -> None:
    shell = Shell(tmp_path, postgres_settings.database_url.get_secret_value() + "?options=-csearch_path%3Dnowhere")
    process = shell.start("run", "--until-empty")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 78
    assert err.splitlines()[-1].startswith("Error: the database has no BookBot tables yet")
