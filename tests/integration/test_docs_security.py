"""The role SECURITY.md gives to workers: enough for all they do, and not one statement that changes the schema."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from shared import schema
from shared.database import make_engine
from shared.enqueue import create_job
from shared.models import Book, Chunk
from shared.settings import Settings, load_settings
from tests.support.docs import ROOT, blocks
from tests.support.product import BRIEF, chunks, work
from tests.support.running import row

pytestmark = pytest.mark.integration


@pytest.fixture
def worker_settings(postgres_settings: Settings) -> Iterator[Settings]:
    """The same database as a worker with a role of its own reaches it."""
    url = postgres_settings.database_url.get_secret_value()
    role = f"worker_{uuid.uuid4().hex[:12]}"
    [statements] = blocks(ROOT / "SECURITY.md", "sql")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(statements.replace("bookbot_worker", role).encode())
        owner.execute("CREATE TABLE of_a_later_version (id int)")
        named = make_url(url).set(username=role).render_as_string(hide_password=False)
        yield load_settings(database_url=named, poll_seconds=0.2)
        owner.execute(f"DROP OWNED BY {role}".encode())
        owner.execute(f"DROP ROLE {role}".encode())


def test_a_worker_s_role_is_enough_for_a_whole_book(worker_settings: Settings) -> None:
    engine = make_engine(worker_settings)
    schema.check(engine)
    with Session(engine) as session:
        book = Book(book_id=str(uuid.uuid4()), title="The Clock of Lisbon")
        session.add(book)
        session.flush()
        for kind, text in (("brief", BRIEF), ("style", "Plain.")):
            session.add(Chunk(chunk_id=str(uuid.uuid4()), book_id=book.book_id, type=kind, text=text))
        first = create_job(job_type="create_foundation", book_id=book.book_id, session=session)
        whole = create_job(job_type="generate_book", book_id=book.book_id, depends_on=[first.job_id], session=session)
        session.commit()
        book_id, job_id = book.book_id, whole.job_id
    work(worker_settings)
    assert row(engine, job_id).state == "completed"
    assert chunks(engine, book_id, "scene")
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    ["TRUNCATE jobs", "DROP TABLE job_logs", "ALTER TABLE jobs ADD COLUMN x int", "CREATE INDEX x ON jobs (title)"],
)
def test_a_worker_s_role_cannot_change_the_schema(worker_settings: Settings, statement: str) -> None:
    url = worker_settings.database_url.get_secret_value()
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_what_an_upgrade_adds_is_open_to_workers_too(worker_settings: Settings) -> None:
    with psycopg.connect(worker_settings.database_url.get_secret_value()) as connection:
        assert connection.execute("SELECT count(*) FROM of_a_later_version").fetchone() == (0,)
