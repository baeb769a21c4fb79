"""Does the durable server die, freeze and come back as it is told, and keep what it acknowledged?"""

from contextlib import closing, suppress

import psycopg
import pytest
from sqlalchemy import make_url, text

from shared.database import make_engine
from shared.settings import load_settings
from tests.faults.database import Database
from tests.support.durable import DurableServer, Refused, failover_url
from tests.support.processes import state_of
from tests.support.running import eventually

pytestmark = pytest.mark.faults


def test_a_killed_server_comes_back_with_what_it_acknowledged(durable: DurableServer, database: Database) -> None:
    book = database.add_book()
    with closing(psycopg.connect(durable.url())) as busy:
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 3000000)")  # does not look up from its work
        durable.kill()
        with pytest.raises(Refused):
            durable.start()
        durable.restart()
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT book_id::text FROM books")).all() == [(book,)]


def test_a_paused_server_answers_when_it_is_resumed(durable: DurableServer) -> None:
    with psycopg.connect(durable.url()) as connection:
        durable.pause()
        assert {state_of(pid) for pid in durable.pids()} == {"T"}
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(durable.url(), connect_timeout=2)
        durable.resume()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_single_sessions_can_be_found_killed_and_terminated(durable: DurableServer) -> None:
    def is_lost(connection: psycopg.Connection) -> bool:
        with suppress(psycopg.OperationalError):
            connection.execute("SELECT 1")
        return connection.broken

    url = f"{durable.url()}?application_name=bookbot-victim"
    with psycopg.connect(url) as connection:
        [backend] = durable.backends("bookbot-v%")
        durable.kill_backend(backend.pid)
        eventually(lambda: is_lost(connection))
    durable.heal()
    with psycopg.connect(url) as connection:
        assert durable.terminate_all("bookbot-v%") == 1
        eventually(lambda: is_lost(connection))


def test_commits_that_are_held_are_released(durable: DurableServer) -> None:
    with closing(psycopg.connect(f"{durable.url()}?application_name=bookbot-waits", autocommit=True)) as connection:
        durable.hold_commits()
        connection.pgconn.send_query(b"CREATE TABLE held ()")
        eventually(lambda: durable.backends("bookbot-waits")[0].waits_for == "SyncRep")
        assert durable.execute("SELECT 1 FROM pg_class WHERE relname = 'held'") == []
        durable.release_commits()
        eventually(lambda: durable.execute("SELECT 1 FROM pg_class WHERE relname = 'held'"))
    durable.execute("DROP TABLE held")


@pytest.mark.parametrize("is_lossless", [True, False])
def test_a_standby_takes_over_with_or_without_the_last_commits(
    durable: DurableServer, database: Database, is_lossless: bool
) -> None:
    standby = durable.standby()
    known = database.add_book()
    if is_lossless:
        durable.synchronous()
    else:
        standby.catch_up_with(durable)
        standby.stop_receiving()
    last = database.add_book()
    name = make_url(database.settings.database_url.get_secret_value()).database
    assert name
    settings = load_settings(database_url=failover_url(durable, standby, database=name))
    durable.kill()
    standby.promote()
    engine = make_engine(settings, application="fault-test")
    with engine.connect() as connection:
        found = set(connection.scalars(text("SELECT book_id::text FROM books")))
    engine.dispose()
    assert found == ({known, last} if is_lossless else {known})
