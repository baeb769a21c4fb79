"""Whatever is wrong with a command, it says so in one line, exits with the right code, and stores nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bookbot_worker.cli.main import main
from shared.database import default_engine
from shared.models import Book, Job
from shared.settings import Settings

pytestmark = pytest.mark.acceptance

NOBODY = "01a20cb0-0000-7000-8000-000000000000"
DEEP = '{"a":' * 20_000 + "1" + "}" * 20_000


def run(*arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=given)


def assert_one_line(result: Result, code: int, words: str) -> None:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert len(result.stderr) < 800


@pytest.fixture
def nothing_stored(environment: dict[str, str], session: Session) -> Iterator[None]:
    """Fails the test where a job or book was stored."""
    assert environment
    yield
    for table in (Job, Book):
        assert session.scalar(select(func.count()).select_from(table)) == 0


PROPS = {
    "no json": ("{steps: 3}", 2, "is not JSON"),
    "a list": ("[1]", 2, "must be a JSON object"),
    "unknown": ('{"stepz": 3}', 2, "props.stepz"),
    "wrong": ('{"steps": "many"}', 2, "props.steps"),
    "twice": ('{"steps": 1, "steps": 2}', 2, "given twice"),
    "NaN": ('{"seconds": NaN}', 2, "NaN is not a JSON number"),
    "Infinity": ('{"seconds": -Infinity}', 2, "-Infinity"),
    "overflow": ('{"seconds": 1e999}', 2, "props.seconds"),
    "5000 digits": (f'{{"steps": {"9" * 5000}}}', 2, "too many digits"),
    "deep": (DEEP, 2, "nested too deeply"),
    "NUL": ('{"a": "\\u0000"}', 2, "NUL"),
    "surrogate": ('{"a": "\\ud800"}', 2, "surrogate"),
    "surrogate key": ('{"\\ud800": 1}', 2, "surrogate"),
    "no file": ("@missing.json", 2, "cannot read missing.json"),
    "a directory": ("@/", 2, "cannot read /"),
    "control characters": ('{"\x1b[31m": 1', 2, "is not JSON"),
}


@pytest.mark.usefixtures("nothing_stored")
def test_bad_props_are_refused() -> None:
    for props, code, words in PROPS.values():
        assert_one_line(run("jobs", "enqueue", "demo", "--props", props), code, words)


@pytest.mark.usefixtures("nothing_stored")
def test_props_that_are_too_large_are_refused_from_files_and_stdin(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    huge.write_bytes(b'{"brief": "' + b"x" * 10_000_000 + b'"}')
    assert_one_line(run("jobs", "enqueue", "demo", "--props", f"@{huge}"), 2, "larger than 1024 KiB")
    assert_one_line(run("jobs", "enqueue", "demo", "--props", "-", given=huge.read_bytes()), 2, "stdin is larger")
    assert_one_line(run("jobs", "enqueue", "demo", "--props", "-", given=b'{"a": "\xff"}'), 2, "not UTF-8")
    large = '{"brief": "' + "x" * 70_000 + '"}'
    assert_one_line(run("jobs", "enqueue", "create_foundation", "--props", large), 2, "the limit is 65536")


BAD_COMMANDS: list[tuple[list[str], int, str]] = [
    (["jobs", "enqueue", "demoo"], 2, "did you mean 'demo'?"),
    (["jobs", "enqueue", "a\x00b"], 2, "no job type"),
    (["jobs", "enqueue", "\udcff"], 2, "not UTF-8"),
    (["jobs", "enqueue", "x" * 100_000], 2, "no job type"),
    (["jobs", "enqueue"], 2, "Missing argument 'JOB_TYPE'"),
    (["jobs", "enqueue", "demo", "extra"], 2, "unexpected extra argument"),
    (["jobs", "enqueue", "demo", "--colour", "red"], 2, "No such option"),
    (["jobs", "enqueue", "create_foundation"], 2, "book_id"),
    (["jobs", "enqueue", "demo", "--book", NOBODY], 3, "there is no book"),
    (["jobs", "enqueue", "demo", "--chunk", NOBODY], 3, "there is no chunk"),
    (["jobs", "enqueue", "demo", "--depends-on", NOBODY], 3, "there is no job"),
    (["jobs", "list", "--parent", NOBODY], 3, f"there is no job '{NOBODY}'"),
    (["jobs", "list", "--before", NOBODY], 3, f"there is no job '{NOBODY}'"),
    (["jobs", "enqueue", "demo", "--book", "' OR 1=1"], 2, "is not an id"),
    (["jobs", "enqueue", "demo", "--priority", "9" * 5000], 2, "priority"),
    (["jobs", "enqueue", "demo", "--priority", "99999999999"], 2, "priority"),
    (["jobs", "enqueue", "demo", "--run-at", "soon"], 2, "run-at"),
    (["jobs", "enqueue", "demo", "--run-at", "2030-01-31T09:00"], 2, "time zone"),
    (["jobs", "enqueue", "demo", "--run-at", "9999-12-31T23:59:59-14:00"], 2, "year"),
    (["jobs", "enqueue", "demo", "--unique-key", "k" * 300], 2, "unique_key"),
    (["jobs", "enqueue", "demo", "--queue", "q\x00"], 2, "queue"),
    (["jobs", "list", "--state", "done"], 2, "'done' is not one of"),
    (["jobs", "list", "--limit", "0"], 2, "--limit"),
    (["jobs", "list", "--queue", "\x00"], 2, "queue"),
    (["jobs", "show", NOBODY], 3, "there is no job"),
    (["jobs", "show", "abc"], 2, "too short"),
    (["jobs", "show", "٣٣٣٣"], 2, "is not an id"),
    (["jobs", "logs", NOBODY], 3, "there is no job"),
    (["jobs", "logs", NOBODY, "-f"], 3, "there is no job"),
    (["jobs", "watch", NOBODY], 3, "there is no job"),
    (["jobs", "cancel", NOBODY], 3, "there is no job"),
    (["jobs", "retry", NOBODY], 3, "there is no job"),
    (["jobs", "why", NOBODY], 3, "there is no job"),
    (["books", "show", NOBODY], 3, "there is no book"),
    (["files", "save", NOBODY], 3, "there is no file"),
    (["files", "save"], 2, "name a FILE_ID"),
    (["files", "save", NOBODY, "--book", NOBODY], 2, "name a FILE_ID"),
    (["files", "save", "--book", NOBODY], 2, "name a FILE_ID"),
    (["files", "list", "--book", NOBODY], 3, "there is no book"),
    (["run", "--concurrency", "0"], 2, "--concurrency"),
    (["run", "--poll-interval", "0"], 2, "--poll-interval"),
    (["run", "--poll-interval", "nan"], 2, "--poll-interval"),
    (["run", "--name", "n" * 201], 2, "'--name': 201 characters, the limit is 200"),
    (["run", "--queue", "q" * 65], 2, "'--queue': 65 characters, the limit is 64"),
    (["nonsense"], 2, "No such command"),
    (["jobs", "nonsense\x1b[2J"], 2, "No such command"),
]


@pytest.mark.usefixtures("nothing_stored")
def test_bad_commands_are_one_line_and_the_right_code() -> None:
    for arguments, code, words in BAD_COMMANDS:
        result = run(*arguments)
        assert_one_line(result, code, words)
        assert "\x1b" not in result.stderr


@pytest.mark.usefixtures("nothing_stored")
def test_bad_texts_and_titles_are_refused(tmp_path: Path) -> None:
    good, empty, binary = tmp_path / "good.md", tmp_path / "empty.md", tmp_path / "binary.md"
    latin, huge = tmp_path / "latin.md", tmp_path / "huge.md"
    good.write_text("# A brief")
    empty.write_text(" \n")
    binary.write_bytes(b"PK\x00\x00")
    latin.write_bytes("Caf\xe9".encode("latin-1"))
    huge.write_bytes(b"x" * 2_000_000)
    cases = [
        ("T", tmp_path / "missing.md", "no such file"),
        ("T", tmp_path, "is a directory"),
        ("T", empty, "is empty"),
        ("T", binary, "is not a text file"),
        ("T", latin, "is not UTF-8"),
        ("T", huge, "larger than 1024 KiB"),
        ("", good, "--title is empty"),
        (" ", good, "--title is empty"),
        ("t" * 501, good, "title: 501 characters"),
    ]
    for title, brief, words in cases:
        arguments = ["--title", title, "--brief-file", str(brief), "--style-file", str(good)]
        assert_one_line(run("books", "create", *arguments), 2, words)


def test_a_missing_empty_or_wrong_database_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def on(url: str, *arguments: str) -> Result:
        monkeypatch.setenv("DATABASE_URL", url)
        default_engine.cache_clear()
        try:
            return run(*arguments)
        finally:
            if "mysql" not in url:
                default_engine().dispose()
            default_engine.cache_clear()

    missing, empty, alien = tmp_path / "missing.db", tmp_path / "empty.db", tmp_path / "alien.db"
    empty.touch()
    alien.write_bytes(b"this is no database at all, but a text" * 200)
    upgrade = "run: bookbot-worker db upgrade"
    assert_one_line(on(f"sqlite:///{missing}", "jobs", "list"), 78, upgrade)
    assert_one_line(on(f"sqlite:///{missing}", "jobs", "enqueue", "demo"), 78, upgrade)
    assert not missing.exists()
    assert_one_line(on(f"sqlite:///{empty}", "books", "list"), 78, upgrade)
    assert_one_line(on(f"sqlite:///{alien}", "jobs", "list"), 1, "not a database")
    assert_one_line(on(f"sqlite:///{tmp_path}/no/such/dir.db", "db", "upgrade"), 1, "unable to open")
    assert_one_line(on("mysql://u:hunter2@h/d", "jobs", "list"), 78, "not supported")
    away = on("postgresql://someone:hunter2@127.0.0.1:1/d", "jobs", "list")
    assert_one_line(away, 1, "refused")
    assert "hunter2" not in away.stderr


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKBOT_CONCURRENCY", "many")
    monkeypatch.setenv("BOOKBOT_LOG_LEVEL", "LOUD")
    default_engine.cache_clear()
    result = run("jobs", "list")
    assert_one_line(result, 78, "BOOKBOT_CONCURRENCY")
    assert "BOOKBOT_LOG_LEVEL" in result.stderr


def test_debug_shows_the_traceback_before_the_line(environment: dict[str, str]) -> None:
    assert environment
    result = run("--debug", "jobs", "show", NOBODY)
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: there is no job")


def test_bytes_that_are_no_text_in_a_real_command_line(settings: Settings, tmp_path: Path) -> None:
    environment = os.environ | {"DATABASE_URL": settings.database_url.get_secret_value()}
    for argument in (b"\xff", b"\xed\xa0\x80"):
        command = [sys.executable.encode(), b"-m", b"bookbot_worker", b"jobs", b"enqueue", argument]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr == b"Error: an argument is not UTF-8 text\n"


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--language", "English", "language: 'English' is no language tag such as en or pt-BR"),
        ("--language", "en_US", "is no language tag"),
        ("--author", "x" * 201, "author: 201 characters"),
        ("--title", "x" * 501, "title: 501 characters"),
    ],
)
def test_a_book_with_a_wrong_name_or_language_is_not_created(
    tmp_path: Path, option: str, value: str, words: str
) -> None:
    (tmp_path / "text.md").write_text("Words.")
    texts = ["--brief-file", str(tmp_path / "text.md"), "--style-file", str(tmp_path / "text.md")]
    named = {"--title": "The Salt Ledger"} | {option: value}
    given = [text for pair in named.items() for text in pair]
    assert_one_line(run("books", "create", *texts, *given), 2, words)
