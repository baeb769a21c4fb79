"""The server closes connections, or takes no writes any more: a restart, an administrator, an idle timeout, a failover.

Jobs do not notice.
"""

import os
import socket
import threading
from collections.abc import Iterator

import psycopg
import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import Engine, make_url, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.orm import Session

from bookbot_worker import BaseJob
from shared.database import make_engine, parse_database_url
from shared.errors import ConfigurationError
from shared.ids import new_id
from shared.models import Book
from shared.outages import is_outage, reason
from shared.settings import Settings
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration

SERVER = "TEST_SERVER_URL"
OF_WORKERS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'bookbot-worker%'"
CLOSE_ALL = text(f"SELECT pid, pg_terminate_backend(pid) {OF_WORKERS}")
OPEN = text(f"SELECT pid {OF_WORKERS}")


@pytest.fixture
def engine(postgres_settings: Settings) -> Iterator[Engine]:
    engine = make_engine(postgres_settings, application="administrator")
    yield engine
    engine.dispose()


def close_all(engine: Engine) -> int:
    """Have the server end every session of workers; returns how many, once they are gone."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ended = set(connection.scalars(CLOSE_ALL))
        eventually(lambda: not ended.intersection(connection.scalars(OPEN)))
    return len(ended)


class ReadsAndWrites(BaseJob):
    def execute(self) -> bool:
        self.log(f"there are {self.session.query(Book).count()} books")
        self.session.add(Book(book_id=new_id(), title="written"))
        return True


def test_connections_that_died_in_the_pool_are_replaced_before_a_job_gets_them(
    postgres_settings: Settings, engine: Engine
) -> None:
    with running(processor_for(postgres_settings, ReadsAndWrites)):
        for number in range(3):
            jobs = [enqueue(engine, ReadsAndWrites) for _ in range(20)]
            eventually(lambda jobs=jobs: all(row(engine, job_id).completed_at for job_id in jobs))
            assert {(row(engine, job_id).state, row(engine, job_id).attempt) for job_id in jobs} == {("completed", 1)}
            if number < 2:
                assert close_all(engine) >= 2


class Waits(BaseJob):
    go = threading.Event()
    started = threading.Event()

    def execute(self) -> bool:
        self.log(f"there are {self.session.query(Book).count()} books")
        with self.parked():
            Waits.started.set()
            Waits.go.wait(30)
        self.session.add(Book(book_id=new_id(), title="written after the loss"))
        self.log("wrote")
        return True


def test_a_parked_job_does_not_notice_that_every_connection_was_closed(
    postgres_settings: Settings, engine: Engine
) -> None:
    with running(processor_for(postgres_settings, Waits)):
        job_id = enqueue(engine, Waits)
        assert Waits.started.wait(20)
        close_all(engine)
        Waits.go.set()
        eventually(lambda: row(engine, job_id).completed_at)
    assert (row(engine, job_id).state, row(engine, job_id).error_message) == ("completed", None)
    assert lines(engine, job_id) == ["there are 0 books", "wrote"]
    with Session(engine) as session:
        assert [book.title for book in session.query(Book)] == ["written after the loss"]


def test_a_hundred_jobs_take_turns_on_the_few_connections_there_are(
    postgres_settings: Settings, engine: Engine
) -> None:
    settings = postgres_settings.model_copy(update={"concurrency": 100})
    with running(processor_for(settings, ReadsAndWrites)):
        jobs = [enqueue(engine, ReadsAndWrites) for _ in range(100)]
        eventually(lambda: all(row(engine, job_id).completed_at for job_id in jobs), 60)
    assert {row(engine, job_id).state for job_id in jobs} == {"completed"}


class Says(BaseJob):
    go = threading.Event()
    started = threading.Event()

    def execute(self) -> bool:
        self.log("before")
        Says.started.set()
        Says.go.wait(30)
        self.log("after")
        return True


def test_an_outage_of_the_server_ends_no_worker_and_no_job(postgres_settings: Settings, engine: Engine) -> None:
    """Nobody can connect for a while, and everybody who was connected is thrown out."""
    name = engine.url.database
    elsewhere = make_engine(postgres_settings.model_copy(update={"database_url": SecretStr(os.environ[SERVER])}))
    Waits.go.clear()
    Waits.started.clear()
    with (
        structlog.testing.capture_logs() as seen,
        running(processor_for(postgres_settings, Waits, ReadsAndWrites, Says)),
    ):
        parked, quiet = enqueue(engine, Waits), enqueue(engine, Says)
        assert Waits.started.wait(20)
        assert Says.started.wait(20)
        with elsewhere.connect().execution_options(isolation_level="AUTOCOMMIT") as server:
            server.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            try:
                close_all(engine)
                Says.go.set()  # it ends while nobody can be told
                eventually(lambda: [event for event in seen if event["event"] == "database.unreachable"][1:])
            finally:  # else a worker that is to stop would try to store what it has until its time is over
                server.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        Waits.go.set()
        later = enqueue(engine, ReadsAndWrites)
        jobs = (parked, quiet, later)
        eventually(lambda: all(row(engine, job).completed_at for job in jobs))
        eventually(lambda: [event for event in seen if event["event"] == "database.back"])
    elsewhere.dispose()
    assert [(row(engine, job).state, row(engine, job).attempt) for job in jobs] == [("completed", 1)] * 3
    assert lines(engine, quiet) == ["before", "after"]
    assert lines(engine, parked) == ["there are 0 books", "wrote"]


PID = text("SELECT pg_backend_pid()")
WRITE = text("UPDATE books SET title = title")


def take_writes(engine: Engine, yes: bool) -> None:
    """Whether new sessions may write. An administrator's own may, to set this back."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        value = "off" if yes else "on"
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = {value}"))


def test_a_server_that_takes_no_writes_is_refused(postgres_settings: Settings, engine: Engine) -> None:
    other = make_engine(postgres_settings)
    with engine.connect():
        pass
    take_writes(engine, False)
    with pytest.raises(OperationalError, match="session is read-only") as seen:
        other.connect()
    assert is_outage(seen.value)
    take_writes(engine, True)
    with other.begin() as connection:
        connection.execute(WRITE)
    other.dispose()


def test_it_may_be_asked_for_all_the_same(postgres_settings: Settings, engine: Engine) -> None:
    url = postgres_settings.database_url.get_secret_value() + "?target_session_attrs=any"
    reader = make_engine(postgres_settings.model_copy(update={"database_url": SecretStr(url)}))
    with engine.connect():
        pass
    take_writes(engine, False)
    with reader.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM jobs")) == 0
    reader.dispose()


def test_when_the_server_stops_taking_writes_every_connection_to_it_is_given_up(
    postgres_settings: Settings, engine: Engine
) -> None:
    """As a server does that is reloaded with another configuration: its sessions learn of it between transactions."""
    client = make_engine(postgres_settings, pool_size=2)
    with engine.connect():
        pass
    with client.connect() as one, client.connect() as other:
        before = {one.scalar(PID), other.scalar(PID)}
        for connection in (one, other):
            connection.execute(text("SET default_transaction_read_only = on"))
            connection.commit()
    take_writes(engine, False)
    with client.connect() as connection, pytest.raises(InternalError) as seen:
        connection.execute(WRITE)
    assert seen.value.connection_invalidated
    assert is_outage(seen.value)
    assert reason(seen.value).startswith("the server is read-only")
    with pytest.raises(OperationalError, match="session is read-only"):
        client.connect()
    take_writes(engine, True)
    with client.begin() as one, client.begin() as other:
        one.execute(WRITE)
        assert before.isdisjoint({one.scalar(PID), other.scalar(PID)})
    client.dispose()


def test_a_transaction_that_is_read_only_by_choice_says_nothing_about_the_server(engine: Engine) -> None:
    with engine.connect() as connection:
        before = connection.scalar(PID)
    with (
        engine.connect().execution_options(postgresql_readonly=True) as connection,
        pytest.raises(InternalError, match="read-only") as seen,
    ):
        connection.execute(WRITE)
    assert not seen.value.connection_invalidated
    assert not is_outage(seen.value)
    with engine.connect() as connection:
        assert connection.scalar(PID) == before


def test_a_worker_waits_for_a_server_that_takes_writes(postgres_settings: Settings, engine: Engine) -> None:
    with (
        structlog.testing.capture_logs() as seen,
        running(processor_for(postgres_settings, ReadsAndWrites)),
    ):
        eventually(lambda: [event for event in seen if event["event"] == "worker.started"])
        take_writes(engine, False)
        close_all(engine)
        eventually(lambda: [event for event in seen if "read-only" in str(event.get("reason"))])
        job_id = enqueue(engine, ReadsAndWrites)
        take_writes(engine, True)
        eventually(lambda: row(engine, job_id).completed_at)
    assert (row(engine, job_id).state, row(engine, job_id).attempt) == ("completed", 1)


def test_of_several_hosts_the_one_that_answers_is_used(postgres_settings: Settings) -> None:
    url = make_url(postgres_settings.database_url.get_secret_value())
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        hosts = f"127.0.0.1:{nobody.getsockname()[1]},{url.host}:{url.port}"
        for spelled in (
            f"postgresql://{url.username}@{hosts}/{url.database}",
            f"postgresql://{url.username}@/{url.database}?host=" + hosts.replace(",", "&host="),
        ):
            engine = make_engine(postgres_settings.model_copy(update={"database_url": SecretStr(spelled)}))
            with engine.connect() as connection:
                assert connection.scalar(text("SELECT count(*) FROM jobs")) == 0
            engine.dispose()


@pytest.mark.parametrize(
    ("spelled", "hosts", "ports"),
    [
        ("postgresql://u:p%40,@one:5432,two:5433/name", "one,two", "5432,5433"),
        ("postgres://u:p%40,@one,two:5433/name?sslmode=require", "one,two", ",5433"),
        ("postgresql+psycopg://u:p%40,@[::1]:1,[fe80::2]:2/name", "::1,fe80::2", "1,2"),
        ("postgresql://u:p%40,@one,two/name", "one,two", None),
        ("postgresql://u:p%40,@/name?host=one:1&host=two:2", "one,two", "1,2"),
        ("postgresql://u:p%40,@/name?host=one,two&port=1,2", "one,two", "1,2"),
        ("postgresql://u:p%40,@one:1/name", "one", 1),
    ],
)
def test_a_list_of_hosts_means_what_it_means_to_libpq(spelled: str, hosts: str, ports: str | int | None) -> None:
    _, options = PGDialect_psycopg(dbapi=psycopg).create_connect_args(parse_database_url(spelled))
    assert (options["host"], options.get("port")) == (hosts, ports)
    assert (options["user"], options["password"], options["dbname"]) == ("u", "p@,", "name")


@pytest.mark.parametrize(
    "spelled",
    [
        "postgresql://u:secret@one:1,two:x/name",
        "postgresql://u:sec@ret@one:1,two:2/name",
        "postgresql://u:secret@one:1,two:2/name?nothing=1",
        "mysql://u:secret@one:1,two:2/name",
    ],
)
def test_a_list_of_hosts_that_is_wrong_is_refused_without_its_password(spelled: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as seen:
        parse_database_url(spelled)
    assert "sec" not in str(seen.value)
    assert seen.value.__suppress_context__


def test_a_session_that_the_server_ended_within_its_transaction_is_given_up(
    postgres_settings: Settings, engine: Engine
) -> None:
    client = make_engine(postgres_settings, pool_size=1, spare=0)
    with (
        client.connect() as connection,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watching,
    ):
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        pid = connection.scalar(PID)
        query = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
        eventually(lambda: watching.scalar(query, {"pid": pid}) == 0)
        with pytest.raises(DBAPIError, match=r"idle-in-transaction timeout|closed the connection") as seen:
            connection.execute(WRITE)
    assert seen.value.connection_invalidated
    assert is_outage(seen.value)
    with client.begin() as connection:
        connection.execute(WRITE)
    client.dispose()


def test_a_statement_that_cannot_be_sent_is_at_fault_itself(engine: Engine) -> None:
    """libpq says so in the words of a connection that failed, and its connection is whole."""
    with engine.connect() as connection:
        names = ", ".join(f":p{number}" for number in range(65_536))
        with pytest.raises(OperationalError, match="number of parameters") as seen:
            connection.execute(text(f"SELECT 1 IN ({names})"), {f"p{number}": 1 for number in range(65_536)})
        assert not is_outage(seen.value)
