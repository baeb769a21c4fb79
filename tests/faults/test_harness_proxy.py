"""Does the proxy do what it says? Seen from a client of PostgreSQL, and from the server behind it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import pytest

from tests.support.chaos_proxy import ChaosProxy
from tests.support.durable import DurableServer
from tests.support.running import eventually

pytestmark = pytest.mark.faults

Connect = Callable[..., psycopg.Connection]


@pytest.fixture(autouse=True)
def _table(durable: DurableServer) -> Iterator[None]:
    """A table with one column, `word`."""
    durable.execute("CREATE TABLE words (word text)")
    yield
    durable.heal()
    durable.execute("DROP TABLE words")


@pytest.fixture
def connect(durable: DurableServer, proxy: ChaosProxy) -> Iterator[Connect]:
    """Connections through the proxy, closed at the end."""
    made: list[psycopg.Connection] = []

    def connect(**options: object) -> psycopg.Connection:
        made.append(psycopg.connect(proxy.url(durable.url()), connect_timeout=2, **options))  # type: ignore[arg-type]
        return made[-1]

    yield connect
    for connection in made:
        with suppress(psycopg.Error):
            connection.close()


def say(connection: psycopg.Connection, word: str) -> None:
    connection.execute("INSERT INTO words VALUES (%s)", [word])


def words(server: DurableServer) -> list[str]:
    return [str(word) for [word] in server.execute("SELECT word FROM words ORDER BY word")]


def in_background(act: Callable[[], object]) -> Callable[[], bool]:
    """Start `act` in a thread; returns a question: has it ended?"""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return lambda: not thread.is_alive()


def test_passing_goes_unnoticed(connect: Connect, durable: DurableServer, proxy: ChaosProxy) -> None:
    with connect() as connection:
        say(connection, "one")
        text = connection.execute("SELECT repeat('x', 1000000)").fetchone()
        assert text is not None
        assert len(text[0]) == 1_000_000
        assert proxy.connections == 1
    assert words(durable) == ["one"]
    eventually(lambda: proxy.connections == 0)
    assert len(proxy.attempts) == 1


def test_what_a_stall_holds_back_arrives_later(connect: Connect, durable: DurableServer, proxy: ChaosProxy) -> None:
    connection = connect(autocommit=True)
    proxy.stall()
    has_said = in_background(lambda: say(connection, "late"))
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        connect()
    assert not has_said()
    assert words(durable) == []
    proxy.passing()
    eventually(has_said)
    assert words(durable) == ["late"]


def test_a_black_hole_takes_new_connections_and_keeps_old_ones_going(connect: Connect, proxy: ChaosProxy) -> None:
    old = connect()
    proxy.blackhole()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        connect()
    assert old.execute("SELECT 1").fetchone() == (1,)


def test_a_reset_breaks_every_connection_and_the_server_rolls_back(
    connect: Connect, durable: DurableServer, proxy: ChaosProxy
) -> None:
    first, second = connect(), connect()
    say(first, "never")
    proxy.reset()
    for connection in (first, second):
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert words(durable) == []
    assert connect().execute("SELECT 1").fetchone() == (1,)


def test_a_refused_connection_is_reset_at_once(connect: Connect, proxy: ChaosProxy) -> None:
    old = connect()
    proxy.refuse()
    with pytest.raises(psycopg.OperationalError):
        connect()
    assert len(proxy.attempts) >= 2
    assert old.execute("SELECT 1").fetchone() == (1,)
    proxy.passing()
    connect()


def test_a_delay_is_paid_each_way(connect: Connect, proxy: ChaosProxy) -> None:
    connection = connect(autocommit=True)
    proxy.delay(0.2)
    started = time.monotonic()
    connection.execute("SELECT 1")
    assert time.monotonic() - started >= 0.4
    proxy.delay(0)


def test_a_commit_whose_answer_is_dropped_has_happened(
    connect: Connect, durable: DurableServer, proxy: ChaosProxy
) -> None:
    connection = connect()
    trap = proxy.drop_commit_ack()
    say(connection, "committed")
    with pytest.raises(psycopg.OperationalError):
        connection.commit()
    trap.wait()
    assert words(durable) == ["committed"]


def test_a_commit_that_is_not_forwarded_has_not_happened(
    connect: Connect, durable: DurableServer, proxy: ChaosProxy
) -> None:
    connection = connect()
    trap = proxy.reset_before_commit()
    say(connection, "lost")
    with pytest.raises(psycopg.OperationalError):
        connection.commit()
    trap.wait()
    assert words(durable) == []
    eventually(lambda: not durable.execute("SELECT 1 FROM pg_locks WHERE relation = 'words'::regclass"))


@pytest.mark.parametrize("is_prepared", [False, True])
@pytest.mark.parametrize("only_if", [b"INSERT INTO words", b"the one"])
def test_a_trap_strikes_only_where_the_words_were_said(
    connect: Connect, durable: DurableServer, proxy: ChaosProxy, only_if: bytes, is_prepared: bool
) -> None:
    """Also where the statement was prepared long ago and is not sent again."""
    connection, heartbeat = connect(prepare_threshold=0 if is_prepared else None), connect()
    say(connection, "before")
    connection.commit()
    trap = proxy.drop_commit_ack(only_if=only_if)
    heartbeat.execute("UPDATE words SET word = word")
    heartbeat.commit()
    connection.execute("SELECT 1")
    connection.commit()
    assert not trap.has_struck
    say(connection, "the one")
    with pytest.raises(psycopg.OperationalError):
        connection.commit()
    assert trap.has_struck
    assert words(durable) == ["before", "the one"]
    with connect() as other:
        say(other, "the one after")
    assert words(durable) == ["before", "the one", "the one after"]


def test_a_trap_can_strike_more_than_once_and_be_taken_away(connect: Connect, proxy: ChaosProxy) -> None:
    trap = proxy.reset_before_commit(n=2)
    for _ in range(2):
        connection = connect()
        say(connection, "lost")
        assert not trap.has_struck
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert trap.has_struck
    proxy.reset_before_commit()
    proxy.disarm()
    with connect() as connection:
        say(connection, "kept")


def test_the_end_of_the_server_is_seen_through_the_proxy(connect: Connect, durable: DurableServer) -> None:
    connection = connect()
    durable.stop("immediate")
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        connect()
    durable.restart()
    assert connect().execute("SELECT 1").fetchone() == (1,)


def test_a_closed_proxy_leaves_nothing_behind(durable: DurableServer) -> None:
    before = threading.active_count()
    with ChaosProxy(durable.port) as proxy:
        connection = psycopg.connect(proxy.url(durable.url()))
        proxy.stall()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    assert threading.active_count() == before
