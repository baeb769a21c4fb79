"""The golden rule, by every route a job could take to commit or roll back. Each is stopped before SQL is sent.

A route that got through would leave the book behind: the zoo adds one first, then tries to end the transaction.
"""

import contextlib
import os
import threading
from collections.abc import Callable

import psycopg
import psycopg.sql
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from bookbot_worker.golden_rule import transaction_command
from shared.control import cancel_job
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Book, Job
from shared.settings import Settings
from tests.support.running import lines, run_one

pytestmark = pytest.mark.integration


def session_commit(session: Session) -> None:
    session.commit()


def session_rollback(session: Session) -> None:
    session.rollback()


def session_begin(session: Session) -> None:
    with session.begin():
        pass


def session_close(session: Session) -> None:
    session.close()


def session_transaction_commit(session: Session) -> None:
    session.connection()
    session.get_transaction().commit()  # type: ignore[union-attr]


def session_transaction_rollback(session: Session) -> None:
    session.connection()
    session.get_transaction().rollback()  # type: ignore[union-attr]


def connection_commit(session: Session) -> None:
    session.flush()
    session.connection().commit()


def connection_rollback(session: Session) -> None:
    session.flush()
    session.connection().rollback()


def connection_transaction_commit(session: Session) -> None:
    session.flush()
    session.connection().get_transaction().commit()  # type: ignore[union-attr]


def text_commit(session: Session) -> None:
    session.flush()
    session.execute(text("COMMIT"))


def hidden_text_rollback(session: Session) -> None:
    session.flush()
    session.execute(text("/* harmless */ rollback"))


def driver_sql_commit(session: Session) -> None:
    session.flush()
    session.connection().exec_driver_sql("-- nothing\n end")


def autocommit(session: Session) -> None:
    session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    session.flush()


def driver_commit(session: Session) -> None:
    session.flush()
    session.connection().connection.commit()


def driver_cursor_commit(session: Session) -> None:
    session.flush()
    session.connection().connection.cursor().execute("commit")


def driver_cursor_many(session: Session) -> None:
    session.flush()
    session.connection().connection.cursor().executemany("commit", [()])


def driver_autocommit(session: Session) -> None:
    """psycopg begins a transaction at the first statement, so the switch is still free here."""
    driver = session.connection().connection.driver_connection
    assert driver is not None
    if isinstance(driver, psycopg.Connection):
        driver.autocommit = True
    else:
        session.flush()
        driver.isolation_level = None


def driver_with_block(session: Session) -> None:
    session.flush()
    driver = session.connection().connection.driver_connection
    assert driver is not None
    with driver:
        pass


def driver_transaction_block(session: Session) -> None:
    driver = session.connection().connection.driver_connection
    if isinstance(driver, psycopg.Connection):
        with driver.transaction():
            driver.execute("SELECT 1")
    else:
        driver_with_block(session)


def driver_composed_commit(session: Session) -> None:
    session.flush()
    driver = session.connection().connection.driver_connection
    assert driver is not None
    driver.execute(psycopg.sql.SQL("COMMIT") if isinstance(driver, psycopg.Connection) else "COMMIT")


def second_session_on_the_engine(session: Session) -> None:
    with Session(session.get_bind()) as second:
        second.add(Book(book_id=new_id(), title="from a second session"))
        second.commit()


def second_session_on_the_plain_engine(session: Session) -> None:
    bound = session.get_bind()
    assert isinstance(bound, Engine)
    is_file = bound.dialect.name == "sqlite"
    own = create_engine(bound.url.set(database=os.path.relpath(str(bound.url.database))) if is_file else bound.url)
    try:
        with Session(own) as second:
            second.add(Book(book_id=new_id(), title="from an engine of its own"))
            second.commit()
    finally:
        own.dispose()


def enqueue_without_the_session(session: Session) -> None:  # noqa: ARG001 - that is the mistake
    create_job(job_type="demo")


def cancel_without_the_session(session: Session) -> None:  # noqa: ARG001 - that is the mistake
    cancel_job(new_id())


def commit_from_another_thread(session: Session) -> None:
    session.flush()
    problems: list[Exception] = []

    def commit() -> None:
        try:
            session.commit()
        except Exception as error:  # noqa: BLE001 - handed to the job's thread
            problems.append(error)

    thread = threading.Thread(target=commit)
    thread.start()
    thread.join()
    raise problems[0]


ROUTES: list[Callable[[Session], None]] = [
    session_commit,
    session_rollback,
    session_begin,
    session_close,
    session_transaction_commit,
    session_transaction_rollback,
    connection_commit,
    connection_rollback,
    connection_transaction_commit,
    text_commit,
    hidden_text_rollback,
    driver_sql_commit,
    autocommit,
    driver_commit,
    driver_cursor_commit,
    driver_cursor_many,
    driver_autocommit,
    driver_with_block,
    driver_transaction_block,
    driver_composed_commit,
    second_session_on_the_engine,
    second_session_on_the_plain_engine,
    enqueue_without_the_session,
    cancel_without_the_session,
    commit_from_another_thread,
]

route: Callable[[Session], None] = session_commit
swallows = False


class RuleBreaker(BaseJob):
    def execute(self) -> bool:
        self.log("about to break the rule")
        self.session.add(Book(book_id=new_id(), title="must not be written"))
        try:
            route(self.session)
        except Exception:
            if not swallows:
                raise
        return True


def nothing_but_the_job(engine: Engine, job_id: str) -> bool:
    with Session(engine) as session:
        return session.query(Book).count() == 0 and [job.job_id for job in session.query(Job)] == [job_id]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("how", ROUTES, ids=lambda how: how.__name__)
@pytest.mark.parametrize("swallow", [False, True], ids=["raised", "swallowed"])
def test_every_route_is_stopped_and_the_job_says_why(
    settings: Settings,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    how: Callable[[Session], None],
    swallow: bool,
) -> None:
    monkeypatch.setattr(f"{__name__}.route", how)
    monkeypatch.setattr(f"{__name__}.swallows", swallow)
    job = run_one(settings, engine, RuleBreaker)
    assert job.state == "error"
    assert "golden rule: a job must not commit or roll back" in (job.error_message or "")
    assert job.completed_at is not None
    assert lines(engine, job.job_id)[0] == "about to break the rule"
    assert nothing_but_the_job(engine, job.job_id)


class SavepointUser(BaseJob):
    """Savepoints are allowed: what is inside a failed one is dropped, the rest is kept."""

    def execute(self) -> bool:
        with self.session.begin_nested():
            self.session.add(Book(book_id=new_id(), title="kept"))
        try:
            with self.session.begin_nested():
                self.session.add(Book(book_id=new_id(), title="dropped"))
                self.session.flush()
                raise LookupError
        except LookupError:
            pass
        self.session.add(Book(book_id=new_id(), title="also kept"))
        return True


def test_savepoints_stay_allowed(settings: Settings, engine: Engine) -> None:
    job = run_one(settings, engine, SavepointUser)
    assert (job.state, job.error_message) == ("completed", None)
    with Session(engine) as session:
        assert sorted(book.title for book in session.query(Book)) == ["also kept", "kept"]


class SwallowsAnIntegrityError(BaseJob):
    def execute(self) -> bool:
        same = new_id()
        self.session.add(Book(book_id=new_id(), title="lost with the transaction"))
        self.session.add(Book(book_id=same, title="one"))
        self.session.flush()
        self.session.expunge_all()
        self.session.add(Book(book_id=same, title="two"))
        with contextlib.suppress(Exception):  # that is the mistake
            self.session.flush()
        return True


def test_a_swallowed_integrity_error_does_not_complete_the_job(settings: Settings, engine: Engine) -> None:
    job = run_one(settings, engine, SwallowsAnIntegrityError)
    assert job.state == "error"
    assert "a failed flush ended the job's transaction" in (job.error_message or "")
    assert nothing_but_the_job(engine, job.job_id)


@pytest.mark.parametrize(
    ("statement", "command"),
    [
        ("COMMIT", "COMMIT"),
        ("  commit ;", "COMMIT"),
        ("/**/ commit; begin", "COMMIT"),
        ("SELECT 1; rollback", "ROLLBACK"),
        ("-- x\nEND", "END"),
        ("abort", "ABORT"),
        ("PREPARE  TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("rollback to savepoint a", None),
        ("ROLLBACK TRANSACTION TO a", None),
        ("SAVEPOINT a", None),
        ("UPDATE books SET title = 'a; commit'", None),
        ("DO $$ BEGIN COMMIT; END $$", None),
        ("SELECT committed FROM rollbacks", None),
        ("PREPARE plan AS SELECT 1", None),
    ],
)
def test_statements_that_end_a_transaction_are_recognised(statement: str, command: str | None) -> None:
    assert transaction_command(statement) == command
