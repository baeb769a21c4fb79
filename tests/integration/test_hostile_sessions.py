"""What hostile jobs do to their session and what is wrong with their row: the job's error, nobody else's."""

import threading

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.ids import new_id
from shared.job_types import JobType, Props, catalogue
from shared.models import Book, Chunk, Job
from shared.settings import Settings
from tests.support.hostile import (
    QUICK,
    Deed,
    Run,
    check_what_always_holds,
    ends_in_error,
    has_ended,
    write_a_chunk_of_no_book,
)
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration


def violate_a_constraint(job: BaseJob) -> object:
    job.session.add(Book(book_id=job.job.book_id, title="a second book with the same id"))
    return True


def write_a_nul(job: BaseJob) -> object:
    job.session.add(Chunk(chunk_id=new_id(), book_id=job.job.book_id, type="scene", text="a\x00b"))
    return True


def write_half_a_surrogate(job: BaseJob) -> object:
    job.session.add(Chunk(chunk_id=new_id(), book_id=job.job.book_id, type="scene", text="a\ud800b"))
    return True


def write_an_object(job: BaseJob) -> object:
    job.session.add(Book(book_id=new_id(), title=object()))
    return True


def add_the_job_itself(job: BaseJob) -> object:
    job.session.add(job.job)
    return True


def write_an_unknown_type(job: BaseJob) -> object:
    job.session.add(Chunk(chunk_id=new_id(), book_id=job.job.book_id, type="poem"))
    return True


@pytest.mark.parametrize(
    "misdeed",
    [
        violate_a_constraint,
        write_half_a_surrogate,
        write_an_object,
        write_a_chunk_of_no_book,
        write_an_unknown_type,
        add_the_job_itself,
    ],
    ids=lambda misdeed: misdeed.__name__,
)
def test_writes_the_database_refuses_at_the_end_are_the_jobs_error(run: Run, engine: Engine, misdeed: Deed) -> None:
    result = run(misdeed)
    message = ends_in_error(result)
    assert message.startswith("The result could not be saved: ")
    assert "INSERT" not in message
    assert lines(engine, result.job.job_id)[-1] == message


def test_a_nul_in_a_chunk_is_refused_by_postgresql_and_kept_by_sqlite(run: Run, engine: Engine) -> None:
    result = run(write_a_nul)
    if engine.dialect.name == "postgresql":
        assert "NUL" in ends_in_error(result)
        return
    assert result.job.state == "completed"
    with Session(engine) as session:
        assert session.scalars(select(Chunk.text)).all() == ["a\x00b"]


def test_setting_its_own_state_through_the_session_changes_nothing_silently(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        job.session.get_one(Job, job.job.job_id).state = "waiting"
        return True

    assert run(deed).job.state in ("error", "completed")


def leave_a_savepoint_open(job: BaseJob) -> object:
    job.session.begin_nested()
    job.session.add(Book(book_id=new_id(), title="in the open savepoint"))
    return True


def leave_a_core_savepoint_open(job: BaseJob) -> object:
    job.session.connection().begin_nested()
    job.session.add(Book(book_id=new_id(), title="in the open savepoint"))
    return True


@pytest.mark.parametrize("misdeed", [leave_a_savepoint_open, leave_a_core_savepoint_open])
def test_an_open_savepoint_is_kept_or_dropped_as_a_whole(run: Run, misdeed: Deed) -> None:
    result = run(misdeed)
    everything = [
        "by the good job",
        "in the open savepoint",
        "must not be written: pending",
        "must not be written: sent",
    ]
    assert result.titles == (everything if result.job.state == "completed" else ["by the good job"])


def test_a_savepoint_left_open_by_an_exception_leaves_nothing(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        leave_a_savepoint_open(job)
        job.session.flush()
        raise RuntimeError("in the middle")

    assert ends_in_error(run(deed)) == "RuntimeError: in the middle"


def test_a_cursor_left_open_disturbs_nobody(run: Run) -> None:
    def deed(job: BaseJob) -> object:
        job.session.connection().execution_options(stream_results=True)
        next(iter(job.session.execute(select(Book.title))))
        raise RuntimeError("in the middle of reading")

    assert ends_in_error(run(deed)) == "RuntimeError: in the middle of reading"


class StrictProps(Props):
    """Props of a job type that changed since jobs were enqueued."""

    words: int = 1


class Strict(BaseJob):
    def execute(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("props", "named"),
    [
        ('{"words": "many"}', "props.words"),
        ('{"unknown": 1}', "props.unknown"),
        ("[1, 2]", "props"),
        ('"text"', "props"),
        ("null", "props"),
    ],
)
def test_props_that_no_longer_fit_are_the_jobs_error(
    settings: Settings, engine: Engine, props: str, named: str
) -> None:
    catalogue().add(JobType("strict", StrictProps))
    processor = processor_for(settings.model_copy(update=QUICK), Strict)
    wrong, right = enqueue(engine, Strict), enqueue(engine, Strict, props={"words": 2})
    with engine.begin() as connection:
        cast = "CAST(:props AS jsonb)" if engine.dialect.name == "postgresql" else ":props"
        changed = text(f"UPDATE jobs SET props = {cast} WHERE job_id = :job")  # noqa: S608 - two fixed words
        connection.execute(changed, {"props": props, "job": stored_id(engine, wrong)})
    with running(processor):
        eventually(lambda: processor.failure or has_ended(engine, wrong, right))
    assert row(engine, wrong).state == "error"
    assert (row(engine, wrong).error_message or "").startswith(f"{named}")
    assert row(engine, right).state == "completed"


def stored_id(engine: Engine, job_id: str) -> str:
    """The id as SQL text sees it."""
    return job_id if engine.dialect.name == "postgresql" else job_id.replace("-", "")


def test_one_job_that_cannot_be_stored_does_not_hold_up_its_group(settings: Settings, engine: Engine) -> None:
    starting_line = threading.Barrier(10)

    class Together(BaseJob):
        def execute(self) -> bool:
            self.log("here", "x" * 100 if self.props.model_dump().get("is_odd") else "INFO")
            starting_line.wait(20)
            if self.props.model_dump().get("is_odd"):
                self.await_jobs([new_id()], "a job that does not exist")
            return True

    processor = processor_for(settings.model_copy(update=QUICK), Together)
    good = [enqueue(engine, Together) for _ in range(9)]
    odd = enqueue(engine, Together, props={"is_odd": True})
    with running(processor):
        eventually(lambda: processor.failure or has_ended(engine, odd, *good))
    assert {row(engine, job_id).state for job_id in good} == {"completed"}
    assert {tuple(lines(engine, job_id)) for job_id in good} == {("here",)}
    assert row(engine, odd).state == "error"
    check_what_always_holds(engine, odd)


def test_lines_stored_before_the_end_are_counted_even_if_the_end_cannot_be_stored(
    settings: Settings, engine: Engine
) -> None:
    is_seen = threading.Event()

    class Doomed(BaseJob):
        def execute(self) -> bool:
            self.log("seen while running")
            is_seen.wait(20)
            self.await_jobs([new_id()], "a job that does not exist")

    processor = processor_for(settings.model_copy(update=QUICK | {"log_flush_seconds": 0.02}), Doomed)
    doomed = enqueue(engine, Doomed)
    with running(processor):
        eventually(lambda: lines(engine, doomed))
        is_seen.set()
        eventually(lambda: processor.failure or has_ended(engine, doomed))
    assert row(engine, doomed).state == "error"
    check_what_always_holds(engine, doomed)
