"""Narrow, low, dumb and colourless terminals: ids whole, states visible, the board never larger than the screen."""

import fcntl
import io
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from bookbot_worker.cli.board import drawn
from bookbot_worker.cli.tables import arranged
from shared.ids import new_id
from shared.settings import Settings
from shared.states import JobState

pytestmark = pytest.mark.acceptance

COMMAND = [sys.executable, "-m", "bookbot_worker"]
TITLES = ("Mara Alone", "Before the Lamps Are Lit", "五つの夜の物語", "x")
HEADING = ["JOB_ID", "STATE", "TYPE", "DONE", "CREATED_AT", "MESSAGE"]
OPTIONAL = [False, False, False, False, True, False]


def row(index: int, state: JobState) -> dict[str, Any]:
    message = None if state is JobState.WAITING else f"{index} of about 500 words"
    return {
        "job_id": new_id(), "job_type": "generate_chunk", "state": state, "progress": 0.5,
        "chunk_props": {"title": TITLES[index % len(TITLES)]}, "error_message": None, "progress_message": message,
    }  # fmt: skip


ROWS = [row(index, state) for index in range(5) for state in JobState]


def lines_of_board(width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(drawn(ROWS, width, height))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("height", [2, 3, 5, 12, 24, 60])
def test_the_board_fits_the_screen_and_always_has_the_states(width: int, height: int) -> None:
    lines = lines_of_board(width, height)
    assert len(lines) <= height
    assert all(cell_len(line) < width for line in lines)
    assert all(any(f" {state} " in f"{line} " for state in JobState) for line in lines[:-1])
    assert lines[-1].endswith("jobs ended") or width < 30


def test_the_bar_goes_first_then_the_message() -> None:
    wide, middle, narrow = ("\n".join(lines_of_board(width, 60)) for width in (120, 60, 40))
    assert "━" in wide
    assert "2 of about 500 words" in wide
    assert "━" not in middle
    assert "50%" in middle
    assert "of about" not in narrow
    assert "50%" in narrow


@pytest.mark.parametrize("width", [10, 30, 40, 60, 80, 100, 140])
def test_a_list_shows_whole_ids_and_the_state_at_every_width(width: int) -> None:
    cells = [[new_id(), "completed", "generate_chunk", "100%", "2030-01-01 00:00:00Z", "五つ " * 30] for _ in range(3)]
    texts = [text.plain for text in arranged([HEADING, *cells], OPTIONAL, width)]
    for line in cells:
        [shown] = [text for text in texts if line[0] in text]
        is_alone = shown == line[0]
        assert is_alone or "completed" in shown
        assert is_alone or cell_len(shown) <= width
    assert sum("completed" in text for text in texts) == 3 or width < 12
    assert ("CREATED_AT" in "\n".join(texts)) is (width >= 140)
    assert len(texts) == 4 or all(cell_len(text) <= max(width, 36) for text in texts)


class Terminal:
    """A command on a terminal of a given size."""

    def __init__(self, settings: Settings, directory: Path, columns: int, lines: int, **environment: str) -> None:
        self.directory = directory
        self.size = struct.pack("HHHH", lines, columns, 0, 0)
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        url = settings.database_url.get_secret_value()
        self.environment = inherited | {"DATABASE_URL": url, "TERM": "xterm-256color"} | environment

    def run(self, *arguments: str, code: int = 0, interrupt_after: str | None = None) -> str:
        """Everything that came onto the screen; Ctrl-C is sent once `interrupt_after` is on it."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, self.size)
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.directory, env=self.environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        seen = b""
        try:
            while piece := os.read(master, 4096):
                seen += piece
                if interrupt_after is not None and interrupt_after.encode() in seen:
                    process.send_signal(signal.SIGINT)
                    interrupt_after = None
        except OSError:  # the other end is closed: all is read
            pass
        os.close(master)
        assert process.wait(timeout=60) == code, seen
        return seen.decode("utf-8", "replace")


@pytest.fixture
def job_ids(sqlite_settings: Settings, tmp_path: Path) -> list[str]:
    terminal = Terminal(sqlite_settings, tmp_path, 80, 24)
    return [terminal.run("jobs", "enqueue", "demo").strip() for _ in range(3)]


@pytest.mark.parametrize(
    "environment", [{}, {"TERM": "dumb"}, {"NO_COLOR": "1"}, {"PYTHONUTF8": "0", "LC_ALL": "C"}], ids=str
)
def test_a_list_on_a_narrow_terminal(
    sqlite_settings: Settings, tmp_path: Path, job_ids: list[str], environment: dict[str, str]
) -> None:
    shown = Terminal(sqlite_settings, tmp_path, 40, 12, **environment).run("jobs", "list")
    for job_id in job_ids:
        assert f"{job_id}\r\n" in shown
    assert shown.count("waiting") == 3
    is_coloured = "NO_COLOR" not in environment and environment.get("TERM") != "dumb"
    assert ("\x1b[33m" in shown) is is_coloured


def test_watching_on_a_low_terminal_never_draws_more_than_it_has(
    sqlite_settings: Settings, tmp_path: Path, job_ids: list[str]
) -> None:
    terminal = Terminal(sqlite_settings, tmp_path, 40, 4)
    shown = terminal.run("jobs", "watch", job_ids[0], code=130, interrupt_after="jobs ended")
    assert "waiting" in shown
    assert "\x1b[?25h" in shown.rpartition("\x1b[?25l")[2]  # the cursor is back
    assert shown.rstrip().endswith("Interrupted.")


def test_a_dumb_terminal_gets_lines_and_no_codes(sqlite_settings: Settings, tmp_path: Path, job_ids: list[str]) -> None:
    terminal = Terminal(sqlite_settings, tmp_path, 40, 12, TERM="dumb")
    shown = terminal.run("jobs", "watch", job_ids[0], code=130, interrupt_after="demo")
    assert shown.startswith("waiting     0%  demo")
    assert "\x1b" not in shown
