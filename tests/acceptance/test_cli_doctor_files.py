"""`doctor` on an SQLite file whose disk is full, read-only or another's, and on tables that are older or newer."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, text

from bookbot_worker.cli.checks import sqlite_file
from shared import schema
from shared.database import make_engine
from shared.settings import load_settings
from tests.faults.file_trouble import SmallDisk, small_disk
from tests.support.doctoring import doctor, live_worker

pytestmark = pytest.mark.acceptance

A_JOB = "INSERT INTO jobs (job_id, job_type, props) VALUES (lower(hex(randomblob(16))), 'demo', ?)"


@pytest.fixture
def small(
    tmp_path: Path, sqlite_template: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallDisk]:
    """A disk of so many megabytes with the environment's database on it."""
    with small_disk(tmp_path / "disk", megabytes=request.param) as disk:
        path = disk.folder / "bookbot.db"
        shutil.copy(sqlite_template, path)
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
        engine = make_engine(load_settings())
        live_worker(engine)
        engine.dispose()
        yield disk


@pytest.mark.parametrize(("small", "code", "level"), [(64, 1, "fail"), (512, 0, "warn")], indirect=["small"])
def test_a_disk_that_is_nearly_full(small: SmallDisk, code: int, level: str) -> None:
    found = doctor(code)
    assert set(found) == {"disk"}
    assert found["disk"]["level"] == level
    assert found["disk"]["detail"].endswith(f"MiB are free in {small.folder}")
    assert found["disk"]["advice"].startswith("free some space")


@pytest.mark.parametrize("small", [64], indirect=True)
def test_a_disk_that_can_only_be_read(small: SmallDisk) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small.folder)], check=True)
    found = doctor(1)
    assert "readonly" in found["schema"]["detail"] or "unable to open" in found["schema"]["detail"]
    assert found["schema"]["advice"] == "see whether the file is a database, and whether it may be written"


def test_a_file_that_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for the header of one\n" * 20)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    found = doctor(1)
    assert "file is not a database" in found["schema"]["detail"]


@pytest.fixture
def path(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the environment's database, which a worker serves."""
    path = tmp_path / "bookbot.db"
    shutil.copy(sqlite_template, path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    engine = make_engine(load_settings())
    live_worker(engine)
    engine.dispose()
    return path


def test_a_log_that_a_reader_without_an_end_keeps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "LARGE_LOG", 4 * sqlite_file.MIB)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader, closing(sqlite3.connect(path)) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchall()
        writer.execute("UPDATE workers SET trouble = NULL")
        writer.commit()
        assert doctor(0) == {}
        for _ in range(6):
            writer.execute(A_JOB, [f'{{"text": "{"x" * 1_000_000}"}}'])
            writer.commit()
        found = doctor(0)
        assert set(found) == {"write-ahead log"}
        assert "restart web and workers" in found["write-ahead log"]["advice"]


@pytest.mark.usefixtures("environment")
def test_tables_that_are_older_and_newer_than_this_version(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(schema._config(connection), "0005")
    found = doctor(1)["schema"]
    assert found["detail"] == f"the database is at 0005, this version needs {schema.head()}"
    assert found["advice"] == "run: bookbot-worker db upgrade"
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE schema_info SET oldest_worker = '9999'"))
    found = doctor(1)["schema"]
    assert found["detail"] == "the database is at 9999, newer than this version knows"
    assert found["advice"] == "upgrade the installation"
