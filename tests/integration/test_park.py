"""While jobs wait for something slow they hold no database connection; their writes still land in one transaction."""

import urllib.request

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.llm.client import Completion, Listener, Message, Prompt
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.running import enqueue, eventually, lines, processor_for, row, run_one, running
from tests.support.slow_server import slow_server

pytestmark = pytest.mark.integration


class HttpAuthor:
    """An author behind a real HTTP server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        listener.check()
        with urllib.request.urlopen(self.url, timeout=60) as answer:  # noqa: S310 - a server of this test
            told = answer.read().decode()
        listener.on_text(told)
        return Completion(told, "test", "slow", "stop", len(prompt.messages), len(told))


class AskAndWrite(BaseJob):
    """Reads, asks, writes: the shape of every job that uses an LLM."""

    def execute(self) -> bool:
        before = self.session.query(Book).count()
        first = Book(book_id=new_id(), title=f"added before asking, when there were {before}")
        self.session.add(first)
        answer = self.llm.complete(Prompt((Message("user", "Tell me a story."),)))
        first.props = {"answer": answer.text}
        self.session.add(Book(book_id=new_id(), title="added after asking"))
        return True


def used(engine: Engine) -> tuple[int, int]:
    """How many sessions workers have on the server, and how many of them are in a transaction."""
    sessions = text(
        "SELECT count(*), count(*) FILTER (WHERE xact_start IS NOT NULL) FROM pg_stat_activity"
        " WHERE application_name LIKE 'bookbot-worker%' AND datname = current_database()"
    )
    with engine.connect() as connection:
        connected, in_transaction = connection.execute(sessions).one()
    return connected, in_transaction


def test_a_hundred_waiting_jobs_hold_no_connection(postgres_settings: Settings) -> None:
    settings = postgres_settings.model_copy(update={"concurrency": 100})
    engine = make_engine(settings, application="observer")
    with slow_server() as server:
        processor = processor_for(settings, AskAndWrite, llm=HttpAuthor(server.url))
        jobs = [enqueue(engine, AskAndWrite) for _ in range(100)]
        with running(processor):
            eventually(lambda: server.waiting == 100)
            eventually(lambda: used(engine)[1] == 0)  # but for moments: the worker beats, and looks for jobs
            assert used(engine)[0] <= 13
            with Session(engine) as session:
                assert session.query(Book).count() == 0
            server.answer.set()
            eventually(lambda: all(row(engine, job).completed_at for job in jobs), 60)
    assert [row(engine, job).error_message for job in jobs] == [None] * 100
    with Session(engine) as session:
        titles = [book.title for book in session.query(Book)]
        answers = [book.props.get("answer") for book in session.query(Book) if "before" in book.title]
    assert len(titles) == 200
    assert set(answers) == {"Once upon a time"}
    engine.dispose()


class KeepsItsConnection(BaseJob):
    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="sent early"))
        self.session.flush()
        with self.parked():
            pass
        return self.session.query(Book).count() == 1


def test_a_job_that_sent_writes_keeps_its_transaction_and_says_so(settings: Settings, engine: Engine) -> None:
    job = run_one(settings, engine, KeepsItsConnection)
    assert (job.state, job.error_message) == ("completed", None)
    assert lines(engine, job.job_id) == ["kept its database connection while waiting: it had already sent writes"]


class ParksInASavepoint(BaseJob):
    def execute(self) -> bool:
        with self.session.begin_nested():
            self.session.add(Book(book_id=new_id(), title="inside"))
            with self.parked():
                pass
        return True


def test_parking_inside_a_savepoint_loses_nothing(settings: Settings, engine: Engine) -> None:
    job = run_one(settings, engine, ParksInASavepoint)
    assert (job.state, job.error_message) == ("completed", None)
    with Session(engine) as session:
        assert [book.title for book in session.query(Book)] == ["inside"]


class WritesInsideAFunction(BaseJob):
    """PostgreSQL only: a SELECT that writes is a write too, and must survive parking."""

    def execute(self) -> bool:
        self.session.execute(text("SELECT write_a_book()"))
        with self.parked():
            pass
        return True


def test_a_select_that_writes_is_not_lost_by_parking(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION write_a_book() RETURNS void LANGUAGE sql AS"
                " $$ INSERT INTO books (book_id, title, props) VALUES (gen_random_uuid(), 'by a function', '{}') $$"
            )
        )
    job = run_one(postgres_settings, engine, WritesInsideAFunction)
    assert (job.state, job.error_message) == ("completed", None)
    with Session(engine) as session:
        assert [book.title for book in session.query(Book)] == ["by a function"]
    engine.dispose()
