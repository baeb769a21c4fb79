"""What a hostile job leaves on its connection, or does with it after its end, is nobody else's trouble."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.database import make_engine
from shared.ids import new_id
from shared.models import Book
from shared.settings import Settings
from tests.support.hostile import Hostile, Quiet, Run
from tests.support.running import enqueue, eventually, processor_for, row, running

pytestmark = pytest.mark.integration

statement = ""  # replaced by every test


class Leaves(BaseJob):
    """Changes its session for good, and writes, so that what it did is committed."""

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="by the first"))
        self.session.flush()
        if self.job.props.get("by_driver"):
            self.session.connection().connection.cursor().execute(statement)
        else:
            self.session.execute(text(statement))
        return True


class Looks(BaseJob):
    """The next job on a connection of the same pool: asks for what its props say, and writes."""

    def execute(self) -> bool:
        self.session.add(Book(book_id=new_id(), title="by the second"))
        self.session.flush()
        self.job.result = {"seen": self.session.scalar(text(self.job.props["asks"]))}
        return True


def left_to_the_next(settings: Settings, engine: Engine, asks: str, *, by_driver: bool = False) -> object:
    """What the second job sees, after checking that both have completed."""
    processor = processor_for(settings.model_copy(update={"concurrency": 1}), Leaves, Looks)
    first = enqueue(engine, Leaves, priority=1, props={"by_driver": by_driver})
    second = enqueue(engine, Looks, props={"asks": asks})
    processor.run(until_empty=True)
    assert [(row(engine, job).state, row(engine, job).error_message) for job in (first, second)] == [
        ("completed", None),
        ("completed", None),
    ]
    return (row(engine, second).result or {})["seen"]


ADVISORY = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database <> 0 AND pid = pg_backend_pid()"


@pytest.mark.parametrize("by_driver", [False, True], ids=["session", "driver"])
@pytest.mark.parametrize(
    ("leaves", "asks", "clean"),
    [
        ("SET statement_timeout = 5000", "SHOW statement_timeout", "0"),
        ("/* harmless */ SET lock_timeout = 5000", "SHOW lock_timeout", "0"),
        ("SELECT 1; SET statement_timeout = 5000", "SHOW statement_timeout", "0"),
        ("SELECT set_config('search_path', 'public, pg_catalog', false)", "SHOW search_path", '"$user", public'),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SHOW default_transaction_read_only", "off"),
        ("SELECT pg_advisory_lock(7)", ADVISORY, 0),
        ("CREATE TEMP TABLE left_over (a int)", "SELECT count(*) FROM pg_class WHERE relname = 'left_over'", 0),
        ("SELECT 1 AS a INTO TEMP left_over", "SELECT count(*) FROM pg_class WHERE relname = 'left_over'", 0),
        ("LISTEN anybody", "SELECT count(*) FROM pg_listening_channels()", 0),
        ("PREPARE plan AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements WHERE name = 'plan'", 0),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_the_next_job_finds_a_session_as_new(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch, leaves: str, asks: str, clean: object, by_driver: bool
) -> None:
    monkeypatch.setattr(f"{__name__}.statement", leaves)
    engine = make_engine(postgres_settings)
    assert left_to_the_next(postgres_settings, engine, asks, by_driver=by_driver) == clean
    engine.dispose()


@pytest.mark.parametrize(
    ("leaves", "asks", "clean"),
    [
        ("PRAGMA busy_timeout = 0", "PRAGMA busy_timeout", 30_000),
        ("PRAGMA recursive_triggers = on", "PRAGMA recursive_triggers", 0),
        ("CREATE TEMP TABLE left_over (a)", "SELECT count(*) FROM sqlite_temp_master", 0),
    ],
    ids=["pragma", "flag", "temporary table"],
)
def test_the_same_on_sqlite(
    sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch, leaves: str, asks: str, clean: object
) -> None:
    monkeypatch.setattr(f"{__name__}.statement", leaves)
    engine = make_engine(sqlite_settings)
    assert left_to_the_next(sqlite_settings, engine, asks) == clean
    engine.dispose()


@pytest.mark.parametrize("leaves", ["SET ROLE pg_read_all_data", "SET search_path = pg_catalog"])
def test_a_session_in_which_it_cannot_be_settled_is_the_jobs_error_and_nobody_elses(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch, leaves: str
) -> None:
    monkeypatch.setattr(f"{__name__}.statement", leaves)
    engine = make_engine(postgres_settings)
    processor = processor_for(postgres_settings.model_copy(update={"concurrency": 1}), Leaves, Looks)
    first, second = enqueue(engine, Leaves, priority=1), enqueue(engine, Looks, props={"asks": "SHOW role"})
    processor.run(until_empty=True)
    assert (row(engine, first).state, row(engine, second).state) == ("error", "completed")
    assert str(row(engine, first).error_message).startswith("The result could not be saved: ")
    with Session(engine) as session:
        assert session.scalars(select(Book.title)).all() == ["by the second"]
    engine.dispose()


def test_ordinary_jobs_share_their_connections(postgres_settings: Settings) -> None:
    """Else every job would pay for a new one."""
    engine = make_engine(postgres_settings)
    with running(processor_for(postgres_settings.model_copy(update={"concurrency": 1}), Ordinary)):
        jobs = [enqueue(engine, Ordinary) for _ in range(5)]
        eventually(lambda: all(row(engine, job).completed_at for job in jobs))
    assert len({(row(engine, job).result or {})["pid"] for job in jobs}) == 1
    engine.dispose()


class Ordinary(BaseJob):
    def execute(self) -> bool:
        with self.session.begin_nested():
            self.session.add(Book(book_id=new_id(), title="a book"))
        book = self.session.scalars(select(Book).with_for_update()).first()
        assert book is not None
        book.title = "renamed; SET aside"
        self.session.flush()
        self.session.delete(book)
        self.job.result = {"pid": self.session.scalar(text("SELECT pg_backend_pid()"))}
        return True


# After the end

Use = Callable[[BaseJob], object]


def write(job: BaseJob) -> object:
    job.session.add(Book(book_id=new_id(), title="must not be written"))
    job.session.flush()
    return None


def read(job: BaseJob) -> object:
    return job.session.scalars(select(Book)).all()


@pytest.mark.parametrize("kind", [Hostile, Quiet])
@pytest.mark.parametrize("use", [write, read])
def test_a_thread_that_outlives_its_job_gets_no_connection(
    run: Run, engine: Engine, use: Use, kind: type[BaseJob]
) -> None:
    """What it sent would stay uncommitted in a connection that nobody gives back; on SQLite nobody else could write."""
    has_settled, may_end = threading.Event(), threading.Event()
    ended: list[str] = []
    threads: list[threading.Thread] = []

    def deed(job: BaseJob) -> object:
        def go_on() -> None:
            has_settled.wait(20)
            try:
                use(job)
            except BaseException as error:  # noqa: BLE001 - looked at by the test
                ended.append(type(error).__name__)
            else:
                ended.append("got through")
            may_end.wait(20)

        threads.append(threading.Thread(target=go_on))
        threads[0].start()
        return True

    result = run(deed, kind)
    has_settled.set()
    eventually(lambda: ended)
    with Session(engine) as session, session.begin():  # nobody is in the way
        session.add(Book(book_id=new_id(), title="by somebody else"))
    may_end.set()
    threads[0].join(20)
    assert ended == ["JobCancelled"]
    assert result.job.state == "completed"
