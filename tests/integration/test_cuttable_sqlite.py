"""Ending a thread's SQLite connection from another thread, whatever it is doing just then."""

import contextlib
import sqlite3
import threading
from pathlib import Path

import pytest

from bookbot_worker.cuttable_sqlite import CuttableConnection, CuttableCursor
from tests.support.running import eventually

pytestmark = pytest.mark.integration

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


class Connection(CuttableConnection):
    def cursor(self, factory: object = CuttableCursor) -> sqlite3.Cursor:
        return super().cursor(factory)  # type: ignore[arg-type]


def connect(path: Path, seconds: float = 30) -> Connection:
    connection = sqlite3.connect(
        path, timeout=seconds, isolation_level=None, check_same_thread=False, factory=Connection
    )
    connection.cursor().execute("PRAGMA journal_mode=WAL")
    return connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.db"
    connection = connect(path)
    connection.cursor().execute("CREATE TABLE t (x)")
    connection.close()
    return path


def rows(path: Path) -> int:
    connection = connect(path, 5)
    try:
        cursor = connection.cursor().execute("BEGIN IMMEDIATE")  # which shows that nobody else writes
        return int(cursor.execute("SELECT count(*) FROM t").fetchone()[0])
    finally:
        connection.close()


def test_an_idle_writer_is_rolled_back_although_a_cursor_lives(path: Path) -> None:
    connection = connect(path)
    cursor = connection.cursor().execute("BEGIN IMMEDIATE")
    cursor.execute("INSERT INTO t VALUES (1)")
    cursor.execute("SELECT * FROM t")
    connection.cut()
    assert rows(path) == 0
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        cursor.execute("INSERT INTO t VALUES (2)")
    connection.close()


def test_a_running_statement_is_interrupted(path: Path) -> None:
    connection = connect(path)
    said: list[str] = []

    def work() -> None:
        cursor = connection.cursor().execute("BEGIN IMMEDIATE")
        cursor.execute("INSERT INTO t VALUES (1)")
        said.append("begins")
        try:
            cursor.execute(ENDLESS).fetchone()
        except sqlite3.Error as error:
            said.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    eventually(lambda: said)
    connection.cut()
    thread.join(20)
    assert said == ["begins", "interrupted"]
    assert rows(path) == 0


def test_a_statement_that_stands_in_line_writes_nothing_when_its_turn_comes(path: Path) -> None:
    """SQLite cannot be interrupted while it waits for the file."""
    first, second = connect(path), connect(path)
    first.cursor().execute("BEGIN IMMEDIATE")
    ended = threading.Event()

    def work() -> None:
        with contextlib.suppress(sqlite3.Error):
            second.cursor().execute("BEGIN IMMEDIATE")
            second.cursor().execute("INSERT INTO t VALUES (1)")
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    eventually(lambda: not second.entry.lock.acquire(blocking=False) or second.entry.lock.release())
    second.cut()
    first.cursor().execute("ROLLBACK")
    assert ended.wait(20)
    thread.join()
    assert rows(path) == 0
    first.close()


def test_cutting_a_busy_connection_again_and_again_crashes_nothing(path: Path) -> None:
    for _ in range(50):
        connection = connect(path)
        started = threading.Event()

        def work(connection: Connection = connection, started: threading.Event = started) -> None:
            with contextlib.suppress(sqlite3.Error):
                while True:
                    connection.cursor().execute("INSERT INTO t VALUES (1)")
                    connection.cursor().execute("DELETE FROM t").fetchall()
                    started.set()

        thread = threading.Thread(target=work)
        thread.start()
        assert started.wait(20)
        connection.cut()
        thread.join(20)
        assert not thread.is_alive()
