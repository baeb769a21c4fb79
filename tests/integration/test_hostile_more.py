"""More that hostile jobs do: floods of lines, values no JSON knows, coroutines, lies. One readable outcome each."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, BookJob
from bookbot_worker.telemetry.joblog import LINE_LIMIT, LINES_LIMIT
from shared.database import make_engine
from shared.models import Book
from shared.settings import Settings
from tests.support.hostile import MEGABYTE, Hostile, Quiet, Run, ends_in_error, nested
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration


# Floods


@pytest.fixture
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process log is not what these tests are about."""
    monkeypatch.setattr("bookbot_worker.attempt.log.info", lambda *_args, **_values: None)


@pytest.mark.usefixtures("_silent")
def test_a_million_lines_from_twenty_threads_are_capped_and_numbered_without_a_gap(run: Run, engine: Engine) -> None:
    def deed(job: BaseJob) -> object:
        def chatter() -> None:
            for number in range(50_000):
                job.log(f"line {number}")

        threads = [threading.Thread(target=chatter) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return True

    result = run(deed, Quiet)
    assert (result.job.state, result.job.log_count) == ("completed", LINES_LIMIT + 1)
    assert lines(engine, result.job.job_id)[-1] == f"more than {LINES_LIMIT} lines; the rest is left out"


def test_a_line_of_a_hundred_megabytes_is_cut(run: Run, engine: Engine) -> None:
    def deed(job: BaseJob) -> object:
        job.log("x" * 100 * MEGABYTE)
        return True

    result = run(deed)
    (line,) = lines(engine, result.job.job_id)
    assert line == "x" * LINE_LIMIT + f"… [{100 * MEGABYTE - LINE_LIMIT} more characters]"


@pytest.mark.usefixtures("_silent")
def test_threads_that_go_on_logging_change_nothing_after_the_end(run: Run, engine: Engine) -> None:
    """They are in the middle of it when the log is sealed, and do not stop."""
    may_end = threading.Event()
    threads: list[threading.Thread] = []

    def deed(job: BaseJob) -> object:
        has_begun = threading.Barrier(9)

        def chatter() -> None:
            job.log("begins")
            has_begun.wait(20)
            while not may_end.is_set():
                job.log("goes on")
                job.progress(0.5, "half")

        threads.extend(threading.Thread(target=chatter) for _ in range(8))
        for thread in threads:
            thread.start()
        has_begun.wait(20)
        return True

    result = run(deed, Quiet)  # which has looked whether the lines are whole
    before = lines(engine, result.job.job_id)
    may_end.set()
    for thread in threads:
        thread.join(20)
    after = row(engine, result.job.job_id)
    assert (after.state, after.progress, after.log_count) == ("completed", 1.0, len(before))
    assert lines(engine, result.job.job_id) == before


# Values


class Lies(Exception):
    """Even its class cannot be asked for."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no class")


def raise_a_liar(_job: BaseJob) -> object:
    raise Lies


def use_up_memory(_job: BaseJob) -> object:
    return bytearray(1 << 62)


def raise_a_chain_of_causes(_job: BaseJob) -> object:
    error: BaseException = ValueError("first")
    for number in range(5_000):
        following = RuntimeError(f"cause {number}")
        following.__cause__ = error
        error = following
    error.add_note("x" * MEGABYTE)
    raise error


@pytest.mark.parametrize("kind", [Hostile, Quiet])
@pytest.mark.parametrize(
    ("misdeed", "words"),
    [
        (raise_a_liar, "RuntimeError"),
        (use_up_memory, "MemoryError"),
        (raise_a_chain_of_causes, "RuntimeError: cause 4999"),
    ],
)
def test_exceptions_that_are_hard_to_look_at_are_recorded(
    run: Run, misdeed: Callable[[BaseJob], object], words: str, kind: type[BookJob]
) -> None:
    result = run(misdeed, kind)
    assert words in str(result.job.error_message)
    ends_in_error(result)


class Later(BaseJob):
    async def execute(self) -> bool:  # type: ignore[override]
        return True


@pytest.mark.filterwarnings("ignore:coroutine 'Later.execute' was never awaited")
def test_an_async_execute_is_an_error_that_names_the_coroutine(settings: Settings, engine: Engine) -> None:
    processor = processor_for(settings, Later)
    job_id = enqueue(engine, Later)
    processor.run(until_empty=True)
    assert row(engine, job_id).state == "error"
    assert "it returned <coroutine object Later.execute" in str(row(engine, job_id).error_message)


VALUES = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "five thousand digits": 10**5000,
    "deep": nested(20_000),
    "object": object(),
    "bytes": b"\x00\xff",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_no_json_knows_in_a_books_props_is_the_jobs_error(run: Run, value: object) -> None:
    """On SQLite too, though it would take some: the page of the book could not be read any more."""

    def deed(job: BaseJob) -> object:
        assert isinstance(job, BookJob)
        job.book.props["value"] = value
        return True

    assert "could not be saved" in ends_in_error(run(deed))


def test_texts_of_any_script_in_a_books_props_are_kept(run: Run, engine: Engine) -> None:
    words = {"title": "Ünïcödé 書籍 \N{BOOKS}", "markup": "<script>\r\n\x1b[31m\u202e"}

    def deed(job: BaseJob) -> object:
        assert isinstance(job, BookJob)
        job.book.props["words"] = words
        return True

    assert run(deed).job.state == "completed"
    with Session(engine) as session:
        assert words in [book.props.get("words") for book in session.scalars(select(Book))]


# The process


class Moves(BaseJob):
    """Leaves the working directory, which a path of a database may be relative to."""

    def execute(self) -> bool:
        os.chdir("/")
        return True


class Reads(BaseJob):
    def execute(self) -> bool:
        return len(self.session.scalars(select(Book)).all()) == 0


def test_a_job_that_leaves_the_working_directory_takes_no_database_along(
    sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = sqlite_settings.model_copy(update={"database_url": SecretStr("sqlite:///bookbot.db")})
    engine = make_engine(relative)
    with running(processor_for(relative, Moves, Reads)):
        moves = enqueue(engine, Moves)
        eventually(lambda: row(engine, moves).completed_at)
        readers = [enqueue(engine, Reads) for _ in range(8)]  # on connections that are new
        eventually(lambda: all(row(engine, job).completed_at for job in readers))
    assert {row(engine, job).state for job in readers} == {"completed"}
    engine.dispose()
