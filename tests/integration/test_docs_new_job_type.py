"""The guide to a new job type does what it says: its code blocks are written to files, registered, and run."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker import build_processor, create_job
from bookbot_worker.outcomes import GoldenRuleViolation
from shared.ids import new_id
from shared.models import Book, Chunk, Job
from tests.support.docs import ROOT, blocks, file_blocks, installed, plain_blocks, write_files
from tests.support.running import lines, row

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("my_app")]

GUIDE = ROOT / "docs" / "new-job-type.md"


@pytest.fixture
def my_app(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001 - the database
    """The guide's package, installed as the guide says."""
    folder = tmp_path / "guide"
    write_files(GUIDE, folder)
    monkeypatch.chdir(folder)
    with installed(folder, monkeypatch, job_types="my_app.job_types", jobs="my_app.jobs", poll_seconds="0.2"):
        yield


@pytest.fixture
def book_id(engine: Engine) -> str:
    """A book with a badly kept title and one scene of four words."""
    book_id = new_id()
    with Session(engine) as session:
        session.add(Book(book_id=book_id, title="The  Salt   Ledger"))
        session.flush()
        session.add(Chunk(chunk_id=new_id(), book_id=book_id, type="scene", text="Mara counts the steps."))
        session.commit()
    return book_id


def run(job_type: str, engine: Engine, **values: str) -> Job:
    job_id = create_job(job_type=job_type, **values).job_id  # type: ignore[arg-type]
    build_processor().run(until_empty=True)
    return row(engine, job_id)


def test_the_tests_of_the_guide_pass(tmp_path: Path) -> None:
    """By pytest in a process of its own, as the guide says."""
    folder = tmp_path / "guide"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "6 passed" in ran.stdout


def test_a_job_created_as_the_guide_says_runs(engine: Engine, book_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    (creating,) = plain_blocks(GUIDE)
    names: dict[str, object] = {"book_id": book_id}
    exec(creating, names)  # noqa: S102 - the guide's own code
    build_processor().run(until_empty=True)
    job = row(engine, capsys.readouterr().out.splitlines()[0])
    assert (job.state, job.result) == ("completed", {"words": 4})
    assert lines(engine, job.job_id) == ["counted 4 words"]
    with Session(engine) as session:
        book = session.get_one(Book, book_id)
        assert (book.props, book.locked_by_job_id) == ({"counted_words": 4}, None)


def test_the_scene_gets_a_version_by_the_author(engine: Engine, book_id: str) -> None:
    with Session(engine) as session:
        chunk_id = session.query(Chunk.chunk_id).filter_by(book_id=book_id).scalar()
    job = run("shorten_scene", engine, book_id=book_id, chunk_id=chunk_id)
    assert (job.state, job.error_message, job.max_attempts) == ("completed", None, 3)
    with Session(engine) as session:
        versions = session.query(Chunk).filter_by(chunk_id=chunk_id).order_by(Chunk.version).all()
        assert [(chunk.version, chunk.is_latest) for chunk in versions] == [(1, False), (2, True)]
        assert versions[1].job_id == job.job_id


def test_the_function_logs_and_writes(engine: Engine, book_id: str) -> None:
    job = run("tidy_title", engine, book_id=book_id)
    assert (job.state, job.error_message) == ("completed", None)
    assert lines(engine, job.job_id) == ["the title is 'The Salt Ledger'"]
    with Session(engine) as session:
        assert session.get_one(Book, book_id).title == "The Salt Ledger"


def test_the_proof_is_printed_unless_the_printer_is_busy(engine: Engine) -> None:
    job = run("print_proof", engine)
    assert (job.state, Path("proof.txt").read_text()) == ("completed", f"proof of job {job.job_id}\n")
    Path("printer.busy").touch()
    job_id = create_job(job_type="print_proof").job_id
    processor = build_processor()
    processor.startup()
    try:
        processor.cycle()
        deadline = datetime.now(UTC)
        while row(engine, job_id).progress_message != "the printer is busy":
            assert (datetime.now(UTC) - deadline).total_seconds() < 20
            processor.cycle()
    finally:
        processor.shutdown()
    snoozed = row(engine, job_id)
    assert (snoozed.state, snoozed.attempt) == ("waiting", 0)
    assert (snoozed.run_at - datetime.now(UTC)).total_seconds() > 200


def test_the_job_that_starts_jobs_waits_for_them(engine: Engine, book_id: str) -> None:
    job = run("check_book", engine, book_id=book_id)
    assert (job.state, job.error_message, job.queue, job.attempt) == ("completed", None, "checks", 1)
    with Session(engine) as session:
        children = session.query(Job).filter_by(parent_job_id=job.job_id)
        assert {child.job_type: child.state for child in children} == {
            "count_words": "completed",
            "tidy_title": "completed",
        }


def test_every_job_type_of_the_guide_has_its_class() -> None:
    declared = {job_type.name for job_type in importlib.import_module("my_app.job_types").JOB_TYPES}
    files = {Path(name).stem for name in file_blocks(GUIDE)}
    assert declared <= files
    assert declared <= set(build_processor().registry)


def test_the_guide_quotes_the_golden_rule_word_for_word() -> None:
    assert blocks(GUIDE, "text") == [f"{GoldenRuleViolation('session.commit()')}\n"]
