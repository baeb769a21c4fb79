"""`prompts`: bots and tasks leave as a file, come back edited, and a faulty file changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker.books import library
from bookbot_worker.cli.main import main
from bookbot_worker.jobs.versions import add_chunk
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.product import chunks, enqueue, work
from tests.support.running import row

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("environment")]

TASK = "tasks:\n- name: Mine\n  modes: [write]\n  prompt: |\n    Write about {{ Breif }}.\n"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prompts", *map(str, arguments)])


def run(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def said(bots: int, tasks: int) -> str:
    return f"bots: {bots} added, 0 changed, 0 removed\ntasks: {tasks} added, 0 changed, 0 removed\n"


@pytest.fixture
def book_id(session: Session) -> str:
    """A book with one empty scene."""
    book = Book(book_id=new_id(), title="A book")
    session.add(book)
    session.flush()
    add_chunk(session, book.book_id, "scene", "", job_id=None, position=1.0)
    session.commit()
    return book.book_id


def test_the_defaults_are_listed_and_shown() -> None:
    rows: list[dict[str, Any]] = json.loads(run("list", "--json"))
    assert [row["name"] for row in rows if row["kind"] == "task"] == [task.name for task in library.default_tasks()]
    assert "PreviousChunk" in next(row for row in rows if row["name"] == "Write scene")["uses"]
    assert run("list").splitlines()[1].startswith("bot\tNovelist\twrite, rewrite\t")
    assert run("show", "reviewer").startswith("You review scenes of a novel")
    assert invoke("show", "Nobody").exit_code == 3


def test_prompts_leave_and_come_back_edited(
    settings: Settings, engine: Engine, session: Session, book_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    run("export", "--output", path)
    assert invoke("export", "--output", path).exit_code == 1
    assert run("lint", path) == ""
    assert run("import", path, "--book", book_id) == said(5, 6)
    assert run("import", path, "--book", book_id) == said(0, 0)
    path.write_text(TASK.replace("Breif", "Brief"), encoding="utf-8")
    assert run("import", path, "--book", book_id) == "tasks: 1 added, 0 changed, 6 removed\n"
    assert run("show", "mine", "--book", book_id) == "Write about {{ Brief }}.\n"
    assert run("export", "--book", book_id).count("- name:") == 6
    assert run("lint", "--book", book_id) == ""
    (scene,) = chunks(engine, book_id, "scene")
    job_id = enqueue(session, "generate_chunk", book_id, chunk_id=scene.chunk_id, props={"task": "mine"})
    work(settings)
    assert row(engine, job_id).state == "completed", row(engine, job_id).error_message
    run("export", "--output", path, "--force")
    assert run("import", path, "--book", book_id).endswith("tasks: 6 added, 0 changed, 1 removed\n")
    rows = json.loads(run("list", "--book", book_id, "--json"))
    assert [row["name"] for row in rows if row["kind"] == "task"] == [task.name for task in library.default_tasks()]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TASK, ":5:17: there is no variable 'Breif'; did you mean Brief?"),
        ("tasks: [", ":1:9: expected the node content, but found '<stream end>' while parsing a flow node"),
        (
            TASK.replace("Breif", "Brief") + "  job_types: [dance]\n",
            ":6:14: there is no job type 'dance'; known: create_",
        ),
    ],
)
def test_a_faulty_file_is_one_sentence_and_changes_nothing(
    engine: Engine, book_id: str, tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("bots:\n- name: New\n  prompt: x\n", encoding="utf-8")
    run("import", path, "--book", book_id)
    path.write_text(text, encoding="utf-8")
    for arguments in (["import", path, "--book", book_id], ["lint", path]):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert f"{path}{reason}" in result.stderr + result.stdout
        assert len(result.stderr.splitlines()) == 1
    assert [bot.props["name"] for bot in chunks(engine, book_id, "bot")] == ["New"]
    assert chunks(engine, book_id, "task") == []


def test_the_prompts_of_a_book_are_checked(session: Session, book_id: str) -> None:
    add_chunk(session, book_id, "task", "One\n{{ Breif }}", job_id=None, props={"name": "Mine"})
    add_chunk(session, book_id, "bot", "x", job_id=None, props={"name": "Hot", "temperature": 9})
    session.commit()
    result = invoke("lint", "--book", book_id)
    assert result.exit_code == 2
    assert "task 'Mine':2:1: there is no variable 'Breif'" in result.stdout
    assert "bot 'Hot':1:1: The bot 'Hot' cannot be used: temperature" in result.stdout


def test_a_book_at_which_a_job_works_is_left_alone(session: Session, book_id: str, tmp_path: Path) -> None:
    session.get_one(Book, book_id).locked_by_job_id = new_id()
    session.commit()
    path = tmp_path / "mine.yaml"
    path.write_text(TASK.replace("Breif", "Brief"), encoding="utf-8")
    result = invoke("import", path, "--book", book_id)
    assert result.exit_code == 1
    assert "is at work on the book" in result.stderr


def test_lint_wants_one_thing_to_check() -> None:
    assert invoke("lint").exit_code == 2
