"""The demo: brief in, book out; and what it says when that cannot be."""

import os
import signal
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from bookbot_worker.cli import demo as demo_command
from bookbot_worker.cli.demo_book import DemoBook, problem_among
from bookbot_worker.cli.main import main
from bookbot_worker.cli.saving import save_beside

pytestmark = pytest.mark.acceptance

COMMAND = [sys.executable, "-m", "bookbot_worker", "demo"]
ROOT = Path(__file__).parents[2]


def test_the_demo_writes_a_book_and_never_over_another(tmp_path: Path) -> None:
    for suffix in ("", " (2)"):
        done = subprocess.run(
            [*COMMAND, "--output", "what? a 100%#book"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        paths = [tmp_path / line for line in done.stdout.splitlines()]
        assert [path.name for path in paths] == [f"The Salt Ledger{suffix}.epub", f"The Salt Ledger{suffix}.md"]
        assert zipfile.ZipFile(paths[0]).testzip() is None
        assert paths[1].read_text(encoding="utf-8").startswith("# The Salt Ledger")
        assert " words in " in done.stderr
        assert "completed 100%  generate_book" in done.stderr
        assert "\x1b" not in done.stderr
    assert (tmp_path / "what? a 100%#book" / "worker.log").read_text(encoding="utf-8").count("worker.stopped") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_demo_gives_its_jobs_back_and_exits_130(tmp_path: Path, number: signal.Signals) -> None:
    environment = os.environ | {"BOOKBOT_OFFLINE_WORDS_PER_SECOND": "20"}
    process = subprocess.Popen(COMMAND, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("running"):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.strip().endswith("Interrupted.")
    with closing(sqlite3.connect(tmp_path / "bookbot-demo" / "bookbot.db")) as database:
        assert database.execute("SELECT count(*) FROM jobs WHERE state = 'running'").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM books WHERE locked_by_job_id IS NOT NULL").fetchone() == (0,)


def test_an_interrupted_demo_does_not_wait_for_what_runs(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), DemoBook(tmp_path, "A Title", "# A brief", "dry") as book:
        raise KeyboardInterrupt
    assert book.stop_requests == 2  # the worker drains after the first and gives back after the second
    assert "worker.stopped" in (tmp_path / "worker.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read"),
        (b"", "is empty"),
        (b"PK\x03\x04\x00\x00", "is not a text file"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * 2_000_000, "larger than 1024 KiB"),
        (b"no heading here", "give --title"),
    ],
)
def test_a_brief_that_cannot_be_used_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    brief = tmp_path / "brief.md"
    if content is not None:
        brief.write_bytes(content)
    result = CliRunner().invoke(main, ["demo", "--brief", str(brief)])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr
    assert not (tmp_path / "bookbot-demo").exists()


@pytest.mark.parametrize(("title", "words"), [("   ", "--title is empty"), ("t" * 501, "title: 501 characters")])
def test_a_title_that_cannot_be_used_leaves_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["demo", "--title", title])
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for output, code in (("file", 2), ("file/below", 1)):
        done = subprocess.run(
            [*COMMAND, "--output", output], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stderr
        assert done.stderr.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in done.stderr


def test_the_examples_in_the_package_are_those_of_the_repository() -> None:
    for name in ("brief.md", "style.md"):
        assert (demo_command.EXAMPLES / name).read_bytes() == (ROOT / "examples" / name).read_bytes()


def test_the_job_that_failed_first_is_the_problem_and_not_its_consequences() -> None:
    def row(state: str, completed_at: int, message: str | None) -> dict[str, object]:
        return {"job_type": "demo", "state": state, "completed_at": completed_at, "error_message": message}

    rows = [row("completed", 1, None), row("cancelled", 2, "because"), row("error", 4, "b"), row("failed", 3, "a")]
    assert problem_among(rows) == "demo ended as failed: a"
    assert problem_among(rows[:2]) == "demo ended as cancelled: because"
    assert problem_among(rows[:1]) is None


def test_saving_beside_counts_up(tmp_path: Path) -> None:
    names = [save_beside(tmp_path, "../A: Title.epub", b"x").name for _ in range(3)]
    assert names == ["A Title.epub", "A Title (2).epub", "A Title (3).epub"]
