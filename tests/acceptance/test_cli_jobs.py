"""What the commands print and do, on both databases: for people, for pipes, for programs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import update
from sqlalchemy.orm import Session

from bookbot_worker.cli.main import main
from shared.ids import new_id
from shared.models import Book, Chunk, Job, JobLog, OutputFile
from shared.version import __version__
from tests.support.pictures import png

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("environment")]

HOSTILE = "T \x1b[31m\u202e[red]x[/red]\r\n<b>"


def run(*arguments: str, code: int = 0, given: str | None = None) -> str:
    """stdout of a command that is to end with `code`."""
    result = CliRunner().invoke(main, list(arguments), input=given)
    assert result.exit_code == code, result.output
    return result.stdout


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def enqueue(*arguments: str) -> str:
    return run("jobs", "enqueue", "demo", *arguments).strip()


def put(session: Session, job_id: str, state: str, **values: Any) -> None:
    ended: dict[str, Any] = {"worker_id": new_id()} if state == "running" else {"completed_at": datetime.now(UTC)}
    session.execute(update(Job).where(Job.job_id == job_id).values(state=state, **ended, **values))
    session.commit()


@pytest.fixture
def book_id(tmp_path: Path) -> str:
    """A book made by the command."""
    (tmp_path / "brief.md").write_bytes("\ufeff# A brief\r\nwith – dashes".encode())
    (tmp_path / "style.md").write_text("dry")
    texts = ["--brief-file", str(tmp_path / "brief.md"), "--style-file", str(tmp_path / "style.md")]
    return run("books", "create", "--title", "The Salt Ledger", *texts).strip()


def test_version_and_help_are_given() -> None:
    assert __version__ in run("--version")
    assert "jobs" in run("--help")


def test_a_book_is_created_with_its_brief_and_style(book_id: str, session: Session) -> None:
    texts = {chunk.type: chunk.text for chunk in session.query(Chunk)}
    assert texts == {"brief": "# A brief\nwith – dashes", "style": "dry"}
    [row] = read("books", "list")
    assert (row["book_id"], row["title"]) == (book_id, "The Salt Ledger")
    assert read("books", "show", book_id[:13])["chunks"] == {"brief": 1, "style": 1}
    assert "1 brief, 1 style" in run("books", "show", book_id)


def test_author_and_language_of_a_book_are_kept_for_its_exports(tmp_path: Path, session: Session) -> None:
    (tmp_path / "text.md").write_text("Words.")
    texts = ["--brief-file", str(tmp_path / "text.md"), "--style-file", str(tmp_path / "text.md")]
    given = ["--author", "Mara  Venn", "--language", "pt-BR"]
    book_id = run("books", "create", "--title", "The Salt Ledger", *texts, *given).strip()
    assert session.get_one(Book, book_id).props == {"author": "Mara Venn", "language": "pt-BR"}


def test_enqueue_prints_just_the_id_or_the_whole_object(book_id: str) -> None:
    job_id = enqueue(
        "--props", '{"steps": 3}', "--priority", "7", "--run-at", "2999-01-01T00:00:00Z", "--book", book_id
    )
    [row] = read("jobs", "list")
    assert (row["job_id"], row["priority"], row["book_id"]) == (job_id, 7, book_id)
    shown = read("jobs", "enqueue", "demo", "--depends-on", job_id[:18])
    assert shown["depends_on"] == [job_id]
    assert run("jobs", "why", shown["job_id"]).startswith(f"blocked until other jobs are done: {job_id}")
    assert "scheduled for 2999-01-01 00:00:00 UTC" in run("jobs", "show", job_id)


def test_props_come_from_the_argument_a_file_or_stdin(tmp_path: Path) -> None:
    (tmp_path / "props.json").write_text('{"steps": 4}')
    by_file = enqueue("--props", f"@{tmp_path / 'props.json'}")
    by_stdin = run("jobs", "enqueue", "demo", "--props", "-", given='{"steps": 5}').strip()
    assert read("jobs", "show", by_file)["props"] == {"steps": 4}
    assert read("jobs", "show", by_stdin)["props"] == {"steps": 5}


def test_a_chunk_names_its_book(book_id: str, session: Session) -> None:
    scene = Chunk(chunk_id=new_id(), book_id=book_id, type="scene", chapter=1, props={"title": "One"})
    session.add(scene)
    session.commit()
    job = read("jobs", "enqueue", "generate_chunk", "--chunk", scene.chunk_id)
    assert (job["book_id"], job["chunk_id"]) == (book_id, scene.chunk_id)
    assert "One" in run("books", "show", book_id)


def test_a_unique_key_gives_the_same_id_twice() -> None:
    assert enqueue("--unique-key", "k") == enqueue("--unique-key", "k")


def test_a_job_that_needs_a_cancelled_one_is_told_to_be_cancelled_at_once() -> None:
    first = run("jobs", "enqueue", "demo").strip()
    run("jobs", "cancel", first)
    done = CliRunner().invoke(main, ["jobs", "enqueue", "demo", "--depends-on", first])
    assert done.exit_code == 0
    assert "cancelled at once" in done.stderr
    assert first in done.stderr
    assert json.loads(run("jobs", "show", done.stdout.strip(), "--json"))["state"] == "cancelled"


def test_lists_filter_and_page() -> None:
    slow, first, second = enqueue("--queue", "slow"), enqueue(), enqueue()
    assert [row["job_id"] for row in read("jobs", "list")] == [second, first, slow]
    assert [row["job_id"] for row in read("jobs", "list", "--queue", "slow")] == [slow]
    assert [row["job_id"] for row in read("jobs", "list", "--before", second, "--limit", "1")] == [first]
    assert read("jobs", "list", "--state", "running") == []
    lines = run("jobs", "list").splitlines()
    assert lines[0].split("\t") == ["JOB_ID", "STATE", "TYPE", "DONE", "CREATED_AT", "MESSAGE"]
    assert lines[1].split("\t")[:3] == [second, "waiting", "demo"]


def test_cancel_and_retry_change_the_state(session: Session) -> None:
    job_id, running = enqueue(), enqueue()
    put(session, running, "running")
    assert run("jobs", "cancel", job_id) == "cancelled\n"
    assert run("jobs", "cancel", job_id, code=1) == ""
    assert run("jobs", "cancel", running) == "running\n"
    assert read("jobs", "show", running)["cancel_requested_at"] is not None
    assert run("jobs", "retry", job_id) == f"{job_id}\n"
    assert read("jobs", "show", job_id)["state"] == "waiting"
    assert run("jobs", "retry", job_id, code=1) == ""


def test_logs_are_printed_in_order_and_no_line_can_pose_as_another(session: Session) -> None:
    job_id = enqueue()
    line = {"job_id": job_id, "claim_id": new_id(), "attempt": 1, "props": None, "created_at": datetime.now(UTC)}
    messages = ["first", "second\n2030-01-01 00:00:00Z  INFO     forged \x1b[2J", "\u202ethird"]
    for seq, message in enumerate(messages, start=1):
        session.add(JobLog(seq=seq, level="ERROR" if seq == 2 else "INFO", message=message, **line))
    session.commit()
    lines = run("jobs", "logs", job_id).split("\n")
    assert [text.split()[-1] for text in (lines[0], lines[3])] == ["first", "\\u202ethird"]
    assert lines[2].startswith("    2030")
    assert "\x1b" not in run("jobs", "logs", job_id)
    assert [row["message"] for row in read("jobs", "logs", job_id)] == messages
    assert "\x1b" not in run("jobs", "logs", job_id, "--json")
    assert "first" not in run("jobs", "logs", job_id, "--level", "error")


def test_following_an_ended_job_prints_all_and_ends(session: Session) -> None:
    job_id = enqueue()
    line = {"job_id": job_id, "claim_id": new_id(), "attempt": 1, "props": None, "created_at": datetime.now(UTC)}
    session.add_all([JobLog(seq=seq, level="INFO", message=str(seq), **line) for seq in range(1, 1203)])
    put(session, job_id, "completed")
    assert len(run("jobs", "logs", job_id, "-f").splitlines()) == 1202
    followed = run("jobs", "logs", job_id, "-f", "--json").splitlines()
    assert json.loads(followed[-1])["seq"] == 1202


def test_watch_ends_with_the_job_and_tells_how(session: Session) -> None:
    good, bad = enqueue(), enqueue()
    put(session, good, "completed", progress=1)
    put(session, bad, "error", error_message="it \x1b[31mbroke")
    assert run("jobs", "watch", good, "--exit-status").startswith("completed 100%  demo")
    assert "it \\u001b[31mbroke" in run("jobs", "watch", bad)
    run("jobs", "watch", bad, "--exit-status", code=1)
    assert "error:" in run("jobs", "show", bad)


def test_watch_shows_no_code_of_an_error_message_to_the_terminal(session: Session) -> None:
    job_id = enqueue()
    put(session, job_id, "error", error_message="it \x1b[2J\u202ebroke\nerror: and posed")
    result = CliRunner().invoke(main, ["jobs", "watch", job_id])
    assert result.exit_code == 0
    assert result.stderr == "error: it \\u001b[2J\\u202ebroke error: and posed\n"
    for text in (result.stdout, run("jobs", "list"), run("jobs", "show", job_id)):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_page_shortens_a_long_list_of_jobs_and_forgets_what_a_completed_job_did_last(session: Session) -> None:
    needed = [enqueue() for _ in range(6)]
    job_id = enqueue(*(word for other in needed for word in ("--depends-on", other)))
    page = run("jobs", "show", job_id)
    assert [other in page for other in needed] == [True] * 3 + [False] * 3
    assert "             and 3 more\n" in page
    assert read("jobs", "show", job_id)["depends_on"] == needed
    put(session, job_id, "completed", progress=1, progress_message="exporting as epub")
    put(session, needed[0], "failed", progress=0.5, progress_message="chapter 3")
    for arguments in (["show", job_id], ["list"]):
        assert "exporting" not in run("jobs", *arguments)
    assert read("jobs", "show", job_id)["progress_message"] == "exporting as epub"
    assert "50% (chapter 3)" in run("jobs", "show", needed[0])


def test_hostile_titles_reach_no_terminal_and_break_no_json(session: Session) -> None:
    session.add(Book(book_id=new_id(), title=HOSTILE, props={}))
    session.commit()
    for text in (run("books", "list"), run("books", "list", "--json")):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert read("books", "list")[0]["title"] == HOSTILE
    assert len(run("books", "list").splitlines()) == 2


@pytest.fixture
def file_id(book_id: str, session: Session) -> str:
    """The newest of two exports of the book; its name tries to leave the directory."""
    about = {"book_id": book_id, "format": "epub", "media_type": "application/epub+zip", "sha256": "0" * 64}
    old = OutputFile(file_id=new_id(), name="old.epub", size_bytes=3, content=b"old", **about)
    new = OutputFile(file_id=new_id(), name="../../é scape.epub", size_bytes=3, content=b"new", **about)
    session.add_all([old, new])
    session.commit()
    return new.file_id


def test_a_file_is_saved_under_a_safe_name_and_never_over_another(
    file_id: str, book_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    monkeypatch.chdir(target)
    assert read("files", "list", "--book", book_id)[0]["file_id"] == file_id
    name = run("files", "save", file_id).strip()
    assert [path.name for path in target.iterdir()] == [name]
    assert (target / name).read_bytes() == b"new"
    (target / name).write_bytes(b"mine")
    run("files", "save", file_id, code=1)
    assert (target / name).read_bytes() == b"mine"
    run("files", "save", "--book", book_id, "--format", "epub", "--force")
    assert (target / name).read_bytes() == b"new"
    run("files", "save", file_id, "--output", "mine.epub")
    assert (target / "mine.epub").read_bytes() == b"new"
    assert run("files", "save", file_id, "--output", "-") == "new"
    for place in ("no/such/place.epub", "nodir/", "nodir/.", "mine.epub/"):
        run("files", "save", file_id, "--output", place, code=2)
    (target / "shelf").mkdir()
    for shelf in ("shelf", "shelf/", str(target / "shelf")):
        saved = run("files", "save", file_id, "--output", shelf, "--force").strip()
        assert Path(saved) == Path(shelf) / name
    assert sorted(path.name for path in target.iterdir()) == sorted(["mine.epub", "shelf", name])
    run("files", "save", "--book", book_id, "--format", "pdf", code=3)
    assert not (tmp_path / "é scape.epub").exists()


def test_db_commands_say_where_the_schema_is() -> None:
    assert "(nothing to do)" in run("db", "upgrade")
    assert run("db", "check").strip() == run("db", "upgrade").split()[0]


def test_a_picture_is_kept_with_its_book_and_what_is_none_is_refused(
    book_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Front page.PNG").write_bytes(png(600, 900))
    Path("text.png").write_bytes(b"<script>")
    Path("cut.png").write_bytes(png(600, 900)[:-10])
    file_id = run("files", "add", "Front page.PNG", "--book", book_id).strip()
    [row] = read("files", "list", "--book", book_id)
    assert (row["file_id"], row["name"], row["format"]) == (file_id, "Front page.png", "cover")
    assert run("files", "save", file_id).strip() == "Front page.png"
    for wrong in ("text.png", "cut.png", "nowhere.png"):
        run("files", "add", wrong, "--book", book_id, code=2)
    run("files", "add", "Front page.PNG", "--book", new_id(), code=3)
    assert len(read("files", "list", "--book", book_id)) == 1
