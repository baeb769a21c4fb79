"""What `bookbot_worker.testing` tells about a job it has run, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob, BookJob, ChunkJob, Retry, Snooze
from bookbot_worker.llm.client import Message, Prompt
from bookbot_worker.llm.errors import Kind, failure
from bookbot_worker.testing import NotPerformed, ScriptedLLM, drain, perform_job
from bookbot_worker.testing import rows as rows_module
from shared.enqueue import NewJob
from shared.errors import InvalidInput, UnknownJobType
from shared.ids import new_id
from shared.job_types import RetryPolicy
from shared.models import Book, Chunk
from shared.settings import Settings
from tests.support.running import declare, enqueue, processor_for, row

pytestmark = pytest.mark.integration


class Renames(BookJob):
    """Does a bit of everything a job may do."""

    def execute(self) -> bool:
        self.book.title = self.props.title
        self.session.add(Chunk(chunk_id=new_id(), book_id=self.book.book_id, type="style", text="Plain."))
        for scene in self.session.query(Chunk).filter_by(book_id=self.book.book_id, type="scene"):
            self.session.delete(scene)
        self.log("renamed", old="A book")
        self.job.result = {"done": True}
        return True


def test_what_a_job_wrote_is_told_row_by_row(settings: Settings) -> None:
    done = perform_job(Renames, {"title": "The Salt Ledger"}, scenes=["Mara counts."], database=settings)
    assert (done.state, done.result, done.lines) == ("completed", {"done": True}, ["renamed"])
    assert done.changed(Book) == [{"title": ("A book", "The Salt Ledger")}]
    assert [chunk["text"] for chunk in done.added("chunks")] == ["Plain."]
    assert [chunk["text"] for chunk in done.deleted(Chunk)] == ["Mara counts."]
    assert {write.table for write in done.writes} == {"books", "chunks"}
    assert done.logs[0].props == {"old": "A book"}
    assert done.why_waiting is None


class Fails(BookJob):
    def execute(self) -> bool:
        self.book.title = "must not be written"
        self.job.error_message = "no"
        return False


class Commits(BookJob):
    def execute(self) -> bool:
        self.book.title = "must not be written"
        self.session.commit()
        return True


@pytest.mark.parametrize(("job_class", "state"), [(Fails, "failed"), (Commits, "error")])
def test_a_job_that_fails_has_written_nothing(settings: Settings, job_class: type[BaseJob], state: str) -> None:
    done = perform_job(job_class, database=settings)
    assert (done.state, done.writes) == (state, ())
    assert done.error_message == "no" or "golden rule" in (done.error_message or "")


class TriesAgain(BaseJob):
    def execute(self) -> bool:
        raise Retry("not yet", timedelta(0))


class Later(BaseJob):
    def execute(self) -> bool:
        raise Snooze(timedelta(0), "the printer is busy")


@pytest.mark.parametrize(("job_class", "attempt", "why"), [(TriesAgain, 1, "not yet"), (Later, 0, "the printer")])
def test_one_run_is_one_run_even_where_the_job_could_start_again_at_once(
    settings: Settings, job_class: type[BaseJob], attempt: int, why: str
) -> None:
    declare(job_class, retry=RetryPolicy(max_attempts=3))
    done = perform_job(job_class, database=settings)
    assert (done.state, done.job.attempt) == ("waiting", attempt)
    assert (done.why_waiting or "").startswith(why)


class AsksTwice(BaseJob):
    def execute(self) -> bool:
        texts = [self.llm.complete(Prompt((Message("user", word),))).text for word in ("one", "two")]
        self.log(" ".join(texts))
        return True


def test_the_next_run_can_be_tried_too_and_asks_only_what_was_not_answered(settings: Settings) -> None:
    declare(AsksTwice, retry=RetryPolicy(max_attempts=2, first_delay=timedelta(hours=1)))
    llm = ScriptedLLM("first", failure(Kind.CUT, "example.com"), "second")
    first = perform_job(AsksTwice, llm=llm, database=settings)
    assert (first.state, first.job.attempt) == ("waiting", 1)
    second = perform_job(first, llm=llm, database=settings)
    assert (second.state, second.job.attempt, second.lines[-1]) == ("completed", 2, "first second")
    assert [call.status for call in second.llm_calls] == ["done", "failed", "done"]
    assert len(llm.prompts) == 3
    with pytest.raises(NotPerformed, match="waits for no further run"):
        perform_job(second, database=settings)


class Family(BaseJob):
    def execute(self) -> bool:
        self.create_jobs([NewJob("demo", parent_job_id=self.job.job_id)])
        return True


def test_jobs_that_a_job_has_created_are_among_its_writes_and_are_not_run(settings: Settings) -> None:
    done = perform_job(Family, database=settings)
    assert [(job["job_type"], job["state"]) for job in done.added("jobs")] == [("demo", "waiting")]


class Shortens(ChunkJob):
    def execute(self) -> bool:
        answer = self.llm.complete(Prompt((Message("user", self.chunk.text),), model="small"))
        self.chunk.text = answer.text
        return True


def test_calls_are_told_with_what_was_asked_and_what_it_cost(settings: Settings) -> None:
    llm = ScriptedLLM("Short.", cost_usd=0.5)
    done = perform_job(Shortens, scenes=["A long scene."], llm=llm, database=settings)
    assert done.changed(Chunk) == [{"text": ("A long scene.", "Short.")}]
    (call,) = done.llm_calls
    assert (call.status, call.response, call.model, call.cost_usd) == ("done", "Short.", "small", 0.5)
    assert [prompt.messages[0].content for prompt in llm.prompts] == ["A long scene."]
    assert done.job.cost_usd == 0.5


def test_a_chunk_can_be_given_as_a_row_or_by_its_id(settings: Settings, session: Session) -> None:
    book = Book(book_id=new_id(), title="A book")
    chunk = Chunk(chunk_id=new_id(), type="scene", text="Given.")
    first = perform_job(Shortens, book=book, chunk=chunk, llm=ScriptedLLM("One."), database=settings)
    assert (first.state, first.job.book_id) == ("completed", book.book_id)
    again = ScriptedLLM("Two.")
    second = perform_job(Shortens, book=first.job.book_id, chunk=first.job.chunk_id, llm=again, database=settings)
    assert second.changed(Chunk) == [{"text": ("One.", "Two.")}]
    assert session.get_one(Chunk, (chunk.chunk_id, 1)).text == "Two."


def test_what_waits_already_does_not_run_before_it(settings: Settings, engine: Engine) -> None:
    waiting = enqueue(engine, Family)
    done = perform_job(Family, database=settings)
    assert (done.state, row(engine, waiting).state) == ("completed", "waiting")


def test_a_job_that_cannot_run_is_an_error_that_says_why(settings: Settings, engine: Engine) -> None:
    other = enqueue(engine, TriesAgain)
    with pytest.raises(NotPerformed, match=f"family job did not run: .*{other}"):
        perform_job(Family, depends_on=[other], database=settings)


class Sleeps(BaseJob):
    def execute(self) -> bool:
        self.wait(timedelta(seconds=60))
        return True


def test_a_job_that_takes_too_long_is_an_error(settings: Settings) -> None:
    with pytest.raises(NotPerformed, match=r"not done within 0\.5 s"):
        perform_job(Sleeps, database=settings, seconds=0.5)


def test_wrong_values_are_refused_as_by_create_job(settings: Settings) -> None:
    with pytest.raises(InvalidInput, match=r"props\.steps"):
        perform_job("demo", {"steps": 0}, database=settings)
    with pytest.raises(UnknownJobType):
        perform_job("no_such_type", database=settings)


def test_without_a_database_there_is_one_of_its_own_and_no_author_that_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("BOOKBOT_LLM", "openai_compatible")
    done = perform_job(Shortens, scenes=["A long scene."])
    assert done.state == "completed"
    assert done.llm_calls[0].provider == "offline"


def test_a_database_that_is_not_for_trying_is_left_alone(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "MOST_ROWS", 2)
    for _ in range(3):
        enqueue(engine, Family)
    with pytest.raises(ValueError, match="jobs has more than 2 rows"):
        perform_job(Family, database=settings)


class WritesElsewhere(BaseJob):
    def execute(self) -> bool:
        self.session.execute(text("INSERT INTO notes VALUES (1, 'new')"))
        self.session.execute(text("UPDATE notes SET words = 'changed' WHERE id = 0"))
        return True


def test_tables_that_are_not_ours_are_looked_at_too(settings: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id integer PRIMARY KEY, words varchar(20))"))
        connection.execute(text("INSERT INTO notes VALUES (0, 'old')"))
    done = perform_job(WritesElsewhere, database=settings)
    assert done.added("notes") == [{"id": 1, "words": "new"}]
    assert done.changed("notes") == [{"words": ("old", "changed")}]


def test_draining_works_until_nothing_is_left(settings: Settings, engine: Engine) -> None:
    for _ in range(3):
        enqueue(engine, Family)
    assert drain(processor_for(settings, Family)) == {"completed": 3, "waiting": 3}
    assert drain(settings) == {"completed": 6}


def test_draining_gives_up_in_time(settings: Settings, engine: Engine) -> None:
    enqueue(engine, Sleeps)
    processor: Any = processor_for(settings, Sleeps)
    with pytest.raises(NotPerformed, match=r"not done within 0\.5 s"):
        drain(processor, seconds=0.5)
