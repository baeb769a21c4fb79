"""The developer's guide, kept: its own examples, adapted in nothing but their import lines."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.running import enqueue, lines, processor_for, row

pytestmark = pytest.mark.integration

some_condition_fails = False
something_breaks = False
book_id = ""


class MyNewJob(BaseJob):
    def execute(self) -> bool:
        """
        Main logic for the job.
        Return True for success, False for failure.
        Raise an exception for a critical error.
        """
        try:
            self.log("Starting my new job!")

            self.session.add(Book(book_id=new_id(), title="written by the job"))
            if something_breaks:
                raise RuntimeError("the printer is on fire")

            if some_condition_fails:
                self.log("Something went wrong, but we handled it.", level="ERROR")
                self.job.error_message = "A specific, user-friendly error message."
                return False

            self.log("My new job finished successfully.")
            return True

        except Exception as e:
            # This will be caught by the JobProcessor
            self.log(f"A critical error occurred: {e}", level="ERROR")
            raise  # Re-raise the exception


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Switches of the guide's example, set back afterwards."""
    return monkeypatch


def titles(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return [book.title for book in session.query(Book)]


def run(settings: Settings, engine: Engine) -> str:
    processor = processor_for(settings, MyNewJob)
    job_id = enqueue(engine, MyNewJob, props={"some_parameter": "value"})
    processor.run(until_empty=True)
    return job_id


def test_returning_true_completes_the_job_and_keeps_its_writes(settings: Settings, engine: Engine) -> None:
    job = row(engine, job_id := run(settings, engine))
    assert (job.state, job.error_message, job.attempt, job.progress) == ("completed", None, 1, 1.0)
    assert job.completed_at is not None
    assert job.started_at is not None
    assert job.created_at <= job.started_at <= job.completed_at
    assert lines(engine, job_id) == ["Starting my new job!", "My new job finished successfully."]
    assert job.log_count == 2
    assert titles(engine) == ["written by the job"]


def test_returning_false_fails_the_job_with_its_message_and_drops_its_writes(
    settings: Settings, engine: Engine, case: pytest.MonkeyPatch
) -> None:
    case.setattr(f"{__name__}.some_condition_fails", True)
    job = row(engine, job_id := run(settings, engine))
    assert (job.state, job.error_message) == ("failed", "A specific, user-friendly error message.")
    assert job.completed_at is not None
    assert lines(engine, job_id) == ["Starting my new job!", "Something went wrong, but we handled it."]
    assert titles(engine) == []


def test_raising_ends_in_error_with_the_reason_and_drops_its_writes(
    settings: Settings, engine: Engine, case: pytest.MonkeyPatch
) -> None:
    case.setattr(f"{__name__}.something_breaks", True)
    job = row(engine, job_id := run(settings, engine))
    assert (job.state, job.error_message) == ("error", "RuntimeError: the printer is on fire")
    assert job.completed_at is not None
    assert "test_guide.py" in (job.error_trace or "")
    assert lines(engine, job_id) == [
        "Starting my new job!",
        "A critical error occurred: the printer is on fire",
        "RuntimeError: the printer is on fire",
    ]
    assert titles(engine) == []
