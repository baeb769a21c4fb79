"""`db copy`, `books backup` and `books restore`: everything arrives, damaged files and wrong targets change nothing."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, Engine, Table, insert, select, update
from sqlalchemy.orm import Session

from bookbot_worker.cli.main import main
from bookbot_worker.moving.copying import copied_tables
from shared.clock import db_now_plus
from shared.database import make_engine
from shared.ids import new_id
from shared.models import BOOKS, Base, Book, Chunk, Job, Worker
from shared.settings import Settings
from tests.support.product import BRIEF, add_job, work
from tests.support.running import row

pytestmark = [pytest.mark.acceptance]

TITLE = "The Clock of Lisbon ⏰ <b>&\u202e"


@pytest.fixture
def sqlite_engine(sqlite_settings: Settings) -> Iterator[Engine]:
    with opened(sqlite_settings) as engine:
        yield engine


@pytest.fixture
def postgres_engine(postgres_settings: Settings) -> Iterator[Engine]:
    with opened(postgres_settings) as engine:
        yield engine


@contextmanager
def opened(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(settings)
    yield engine
    engine.dispose()


def url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def write_a_book(settings: Settings, engine: Engine) -> str:
    """A book with a foundation, two written scenes, files, log lines and a ledger."""
    with Session(engine) as session:
        book = Book(book_id=new_id(), title=TITLE, props={"author": "Zoë", "depth": {"a": [1, None, 1.5]}})
        session.add(book)
        session.commit()
        book_id = book.book_id
    add_job(engine, "create_foundation", book_id, props={"brief": BRIEF, "style": "Plain."})
    work(settings)
    add_job(engine, "generate_book", book_id, props={"target_words": 60})
    work(settings)
    return book_id


def invoke(database: Engine, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Result:
    from shared.database import default_engine

    monkeypatch.setenv("DATABASE_URL", url(database))
    default_engine.cache_clear()
    try:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])
    finally:
        default_engine().dispose()
        default_engine.cache_clear()


def rows(engine: Engine, table: Table, **where: object) -> list[dict[str, Any]]:
    query = select(table).order_by(*table.primary_key.columns).filter_by(**where)
    with engine.connect() as connection:
        return [dict(found) for found in connection.execute(query).mappings()]


def everything(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    return {table.name: rows(engine, table) for table in copied_tables()}


@pytest.mark.parametrize("direction", ["to postgresql", "to sqlite"])
def test_a_copy_holds_every_row_and_goes_on_working(
    direction: str,
    sqlite_settings: Settings,
    postgres_settings: Settings,
    sqlite_engine: Engine,
    postgres_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = [(sqlite_settings, sqlite_engine), (postgres_settings, postgres_engine)]
    (settings, source), (target_settings, target) = there if direction == "to postgresql" else reversed(there)
    book_id = write_a_book(settings, source)
    waiting = add_job(source, "export_book", book_id, props={"format": "html"})
    before = everything(source)
    assert all(before[name] for name in ("books", "chunks", "jobs", "job_logs", "llm_calls", "output_files"))

    result = invoke(target, monkeypatch, "db", "copy", "--json", "--from", url(source))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {name: len(found) for name, found in before.items()}
    assert everything(target) == before == everything(source)
    work(target_settings)
    assert row(target, waiting).state == "completed"
    assert row(source, waiting).state == "waiting"


def test_a_job_that_died_with_its_worker_is_rescued_in_the_copy(
    sqlite_engine: Engine, postgres_settings: Settings, postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = add_job(sqlite_engine, "demo", book(sqlite_engine), props={"steps": 1, "seconds": 0})
    with sqlite_engine.begin() as connection:
        connection.execute(
            update(Job).where(Job.job_id == job_id)
            .values(state="running", worker_id=worker(connection, -60), claim_id=new_id(), attempt=1)
        )  # fmt: skip
    assert invoke(postgres_engine, monkeypatch, "db", "copy", "--from", url(sqlite_engine)).exit_code == 0
    work(postgres_settings)
    assert (row(postgres_engine, job_id).state, row(postgres_engine, job_id).attempt) == ("completed", 2)


def test_nothing_is_copied_where_a_worker_works_or_the_target_is_not_empty(
    sqlite_engine: Engine, postgres_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    book(sqlite_engine)
    with sqlite_engine.begin() as connection:
        worker(connection, 60)
    busy = invoke(postgres_engine, monkeypatch, "db", "copy", "--from", url(sqlite_engine))
    assert (busy.exit_code, busy.stderr) == (
        1, "Error: the worker 'writer' works on the source; stop it first (SIGTERM), then copy\n",
    )  # fmt: skip
    with sqlite_engine.begin() as connection:
        connection.execute(update(Worker).values(state="stopped"))
    book(postgres_engine)
    full = invoke(postgres_engine, monkeypatch, "db", "copy", "--from", url(sqlite_engine))
    assert (full.exit_code, full.stderr) == (
        1, "Error: the target is not empty: books has rows; nothing was copied\n",
    )  # fmt: skip
    assert len(rows(postgres_engine, BOOKS)) == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("mysql://host/name", "Error: from: "),
        ("sqlite:///does-not-exist.db", "Error: there is no database at does-not-exist.db"),
    ],
)
def test_a_wrong_source_is_one_line(
    source: str, words: str, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = invoke(sqlite_engine, monkeypatch, "db", "copy", "--from", source)
    assert result.exit_code != 0
    assert result.stderr.startswith(words)
    assert len(result.stderr.splitlines()) == 1


def test_a_book_comes_back_whole_from_its_file(
    sqlite_settings: Settings,
    sqlite_engine: Engine,
    postgres_engine: Engine,
    postgres_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book_id = write_a_book(sqlite_settings, sqlite_engine)
    kept = tmp_path / "book.bookbot"
    saved = invoke(sqlite_engine, monkeypatch, "books", "backup", book_id[:13], "--output", kept)
    assert (saved.exit_code, saved.stdout) == (0, f"{kept}\n"), saved.output
    restored = invoke(postgres_engine, monkeypatch, "books", "restore", kept)
    assert (restored.exit_code, restored.stdout) == (0, f"{book_id}\n"), restored.output
    for name in ("books", "chunks", "output_files"):
        table = Base.metadata.tables[name]
        assert without_locks(rows(postgres_engine, table)) == without_locks(rows(sqlite_engine, table))
    export = add_job(postgres_engine, "export_book", book_id, props={"format": "epub"})
    work(postgres_settings)
    assert row(postgres_engine, export).state == "completed"

    again = tmp_path / "again.bookbot"
    assert invoke(sqlite_engine, monkeypatch, "books", "backup", book_id, "--output", again).exit_code == 0
    assert again.read_bytes() == kept.read_bytes()
    twice = invoke(postgres_engine, monkeypatch, "books", "restore", kept)
    assert (twice.exit_code, twice.stderr) == (
        1, f"Error: the book {book_id} is here already; nothing was changed\n",
    )  # fmt: skip
    there = invoke(sqlite_engine, monkeypatch, "books", "backup", book_id, "--output", kept)
    assert there.exit_code == 1
    assert "exists" in there.stderr


def without_locks(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own = {"locked_by_job_id", "locked_at", "revision"}
    return [{name: value for name, value in one.items() if name not in own} for one in found]


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    def act(members: dict[str, bytes]) -> None:
        members[name] = change(members[name])

    return act


def edit_line(name: str, **values: object) -> Callable[[dict[str, bytes]], None]:
    """Other values in the first line of a member."""

    def change(content: bytes) -> bytes:
        first, rest = content.split(b"\n", 1)
        return json.dumps(json.loads(first) | values).encode() + b"\n" + rest

    return edit(name, change)


def first_file(members: dict[str, bytes]) -> None:
    name = next(name for name in members if name.startswith("files/"))
    members[name] = members[name][:-1] + bytes([members[name][-1] ^ 1])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda members: members.pop("book.json"), "it has no book.json"),
        (lambda members: members.pop("chunks.jsonl"), "it has no chunks.jsonl"),
        (edit("book.json", lambda _: b"[]"), "book.json: must be a JSON object"),
        (edit_line("book.json", format=2), "its format is 2, this version reads 1; upgrade first"),
        (edit_line("book.json", book_id="../../etc"), "book_id"),
        (edit_line("book.json", title=""), "title"),
        (edit_line("book.json", locked_by_job_id=new_id()), "locked_by_job_id"),
        (edit_line("book.json", created_at="yesterday"), "created_at"),
        (edit_line("chunks.jsonl", type="poem"), "'poem' is none of"),
        (edit_line("chunks.jsonl", text="half \ud800"), "half a surrogate"),
        (edit_line("chunks.jsonl", version=0), "chunks.jsonl, line 1: version"),
        (edit_line("chunks.jsonl", word_count=2**40), "word_count"),
        (edit_line("chunks.jsonl", props=7), "props"),
        (edit("chunks.jsonl", lambda lines: lines + lines), "has a version twice"),
        (edit("chunks.jsonl", lambda lines: lines[:-20]), "is not JSON"),
        (first_file, "are not those that were saved"),
        (edit_line("files.jsonl", file_id="book.json"), "it has no files/book.json"),
    ],
)
def test_a_spoiled_file_is_one_clear_line_and_changes_nothing(
    spoil: Callable[[dict[str, bytes]], object],
    words: str,
    book_file: Path,
    sqlite_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with zipfile.ZipFile(book_file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    spoil(members)
    with zipfile.ZipFile(book_file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    result = invoke(sqlite_engine, monkeypatch, "books", "restore", book_file)
    assert words in result.stderr
    assert (result.exit_code, len(result.stderr.splitlines())) in {(1, 1), (2, 1)}, result.stderr
    assert not any(everything(sqlite_engine).values())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip"])
def test_what_is_no_such_file_is_refused(
    content: bytes, sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(content)
    result = invoke(sqlite_engine, monkeypatch, "books", "restore", tmp_path / "x")
    assert result.exit_code == 2
    assert "is damaged, or not a file that `books backup` wrote" in result.stderr
    missing = invoke(sqlite_engine, monkeypatch, "books", "restore", tmp_path / "y")
    assert "no such file or directory" in missing.stderr


@pytest.fixture
def book_file(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small book's file, from a database of its own."""
    path = tmp_path / "own.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = make_engine(Settings(database_url=f"sqlite:///{path}"))
    book_id = write_a_book(Settings(database_url=f"sqlite:///{path}"), engine)
    kept = tmp_path / "small.bookbot"
    assert invoke(engine, monkeypatch, "books", "backup", book_id, "--output", kept).exit_code == 0
    engine.dispose()
    return kept


def test_a_chunk_of_another_book_is_never_overwritten(
    book_file: Path, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(book_file) as archive:
        taken = json.loads(archive.read("chunks.jsonl").split(b"\n")[0])["chunk_id"]
    with Session(sqlite_engine) as session:
        session.add(Chunk(chunk_id=taken, book_id=book(sqlite_engine), type="scene", text="Mine."))
        session.commit()
    result = invoke(sqlite_engine, monkeypatch, "books", "restore", book_file)
    assert (result.exit_code, "in another book; nothing was changed" in result.stderr) == (1, True)
    assert [found["text"] for found in rows(sqlite_engine, Base.metadata.tables["chunks"])] == ["Mine."]


def book(engine: Engine) -> str:
    book_id = new_id()
    with engine.begin() as connection:
        connection.execute(insert(Book), [{"book_id": book_id, "title": "Other", "props": {}}])
    return book_id


def worker(connection: Connection, lease: float) -> str:
    """A worker whose lease ends in so many seconds."""
    about = {
        "worker_id": new_id(), "name": "writer", "hostname": "elsewhere", "pid": 4711, "version": "1", "queues": [],
        "job_types": ["demo"], "concurrency": 1,
    }  # fmt: skip
    connection.execute(insert(Worker).values(**about, lease_until=db_now_plus(lease)))
    return str(about["worker_id"])
