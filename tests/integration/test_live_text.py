"""The answer that is coming can be watched: what the log writer keeps of it while the job runs, and not longer."""

import queue
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.llm.client import Completion, Listener, Message, Prompt
from bookbot_worker.telemetry.joblog import DatabaseTime, JobLog
from bookbot_worker.telemetry.live_text import TEXT_LIMIT, LiveText
from bookbot_worker.telemetry.log_writer import LogWriter
from shared.database import read_only
from shared.models import Job, JobLiveText
from shared.settings import Settings
from tests.support.claims import add_worker, claimed
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration


class Dictated:
    """An author who says what the test tells, piece by piece; None ends the answer."""

    def __init__(self) -> None:
        self.pieces: queue.Queue[str | None] = queue.Queue()

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        text = ""
        while (piece := self.pieces.get(timeout=60)) is not None:
            text += piece
            listener.on_text(piece)
        return Completion(text, "test", "dictated", "stop", len(prompt.messages), len(text))


class AskTwice(BaseJob):
    def execute(self) -> bool:
        for question in ("one", "two"):
            self.llm.complete(Prompt((Message("user", question),)))
        return True


def shown(engine: Engine) -> list[tuple[int, int, str]]:
    """What is there now. On SQLite it takes no turn as a writer, or the log writer would wait for who looks."""
    with Session(read_only(engine)) as session:
        return [(one.call, one.cut, one.text) for one in session.scalars(select(JobLiveText))]


def test_an_answer_is_shown_as_it_comes_and_gone_when_the_job_has_ended(settings: Settings, engine: Engine) -> None:
    author = Dictated()
    quick = settings.model_copy(update={"log_flush_seconds": 0.02})
    job_id = enqueue(engine, AskTwice)
    with running(processor_for(quick, AskTwice, llm=author)):
        for piece, wanted in (("Once", "Once"), (" upon\x00", "Once upon\N{REPLACEMENT CHARACTER}")):
            author.pieces.put(piece)
            eventually(lambda wanted=wanted: shown(engine) == [(1, 0, wanted)])
        author.pieces.put(None)
        author.pieces.put("A second answer")
        eventually(lambda: shown(engine) == [(2, 0, "A second answer")])
        author.pieces.put(None)
        eventually(lambda: row(engine, job_id).state == "completed")
        eventually(lambda: shown(engine) == [])


def test_of_a_long_answer_the_end_is_kept_and_what_was_cut_is_counted() -> None:
    text = LiveText("job", "claim")
    text.turn()
    text.add("a" * TEXT_LIMIT)
    text.add("bcd")
    kept = text.row()
    assert (kept["cut"], len(kept["text"]), kept["text"][-4:]) == (3, TEXT_LIMIT, "abcd")
    text.add("e")
    assert text.has_news()
    kept = text.row()
    text.stored()
    assert (kept["cut"], kept["text"][-4:]) == (4, "bcde")
    assert not text.has_news()


@pytest.fixture
def writer(engine: Engine) -> LogWriter:
    """A writer whose turns the test takes; the first one tidies up."""
    writer = LogWriter(engine, timedelta(hours=1))
    writer.run_once()
    return writer


def listened(writer: LogWriter, job_log: JobLog, words: str) -> None:
    job_log.listen().add(words)
    writer.watch(job_log)
    writer.run_once()


def test_a_run_that_lost_its_job_shows_nothing_and_spoils_nothing(writer: LogWriter, engine: Engine) -> None:
    job_id = enqueue(engine, AskTwice)
    (attempt,) = claimed(engine, add_worker(engine, lease=60), AskTwice)
    listened(writer, attempt.job_log, "of the run that holds the job")
    zombie = JobLog(job_id, "00000000-0000-0000-0000-00000000dead", 1, 0, DatabaseTime(None))
    listened(writer, zombie, "of a run that was given up")
    assert shown(engine) == [(1, 0, "of the run that holds the job")]


def test_what_a_dead_worker_left_is_removed_by_the_next_one(writer: LogWriter, engine: Engine) -> None:
    enqueue(engine, AskTwice)
    (attempt,) = claimed(engine, add_worker(engine, lease=60), AskTwice)
    listened(writer, attempt.job_log, "half an answer")
    with Session(engine) as session, session.begin():
        job = session.get_one(Job, attempt.job_id)
        job.state, job.worker_id, job.claim_id = "waiting", None, None
    assert shown(engine) == [(1, 0, "half an answer")]
    LogWriter(engine, timedelta(hours=1)).run_once()
    assert shown(engine) == []


@pytest.fixture
def statements(engine: Engine) -> Iterator[list[str]]:
    """What this engine sends, from now on."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def test_a_job_that_asks_nobody_costs_not_one_statement_more(
    writer: LogWriter, engine: Engine, statements: list[str]
) -> None:
    enqueue(engine, AskTwice)
    (attempt,) = claimed(engine, add_worker(engine, lease=60), AskTwice)
    statements.clear()
    attempt.job_log.append("a line", "INFO", None)
    writer.watch(attempt.job_log)
    writer.run_once()
    writer.forget(attempt.job_log)
    writer.run_once()
    assert statements
    assert not [statement for statement in statements if "job_live_texts" in statement]


def test_lines_alone_do_not_write_the_text_again(writer: LogWriter, engine: Engine, statements: list[str]) -> None:
    enqueue(engine, AskTwice)
    (attempt,) = claimed(engine, add_worker(engine, lease=60), AskTwice)
    listened(writer, attempt.job_log, "an answer")
    statements.clear()
    attempt.job_log.append("a line", "INFO", None)
    writer.run_once()
    assert statements
    assert not [statement for statement in statements if "job_live_texts" in statement]
