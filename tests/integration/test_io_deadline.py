"""A server that hangs, with its connections open: every call ends in time, and nothing else is disturbed."""

import contextlib
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError

from bookbot_worker import BaseJob
from bookbot_worker.driver_guard import guard_driver
from shared.database import JOBS_CHANNEL, make_engine
from shared.io_deadline import BoundedConnection, Line, Watcher
from shared.outages import is_outage, reason
from shared.settings import Settings
from tests.support.docs import ROOT
from tests.support.running import enqueue, eventually, lines, processor_for, row, running

pytestmark = pytest.mark.integration

LIMIT = 0.5
LONG = 60.0
"""Seconds: what a test would wait that has failed."""


class Proxy:
    """Passes on what clients and server say; while it is stalled everything stays open and nothing arrives."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def stall(self) -> None:
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def close(self) -> None:
        self.flow()
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self._ends.append(client)
                server = socket.create_connection(self._server)
                self._ends.append(server)
                for ends in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=ends))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(postgres_settings: Settings) -> Iterator[Proxy]:
    url = make_url(postgres_settings.database_url.get_secret_value())
    proxy = Proxy(url.host or "", url.port or 5432)
    yield proxy
    proxy.close()


@pytest.fixture
def through(postgres_settings: Settings, proxy: Proxy) -> Settings:
    """Settings that lead through the proxy."""
    url = make_url(postgres_settings.database_url.get_secret_value()).set(host="127.0.0.1", port=proxy.port)
    return postgres_settings.model_copy(
        update={"database_url": SecretStr(url.render_as_string(hide_password=False)), "database_timeout_seconds": LIMIT}
    )


@pytest.fixture
def engine(through: Settings) -> Iterator[Engine]:
    engine = make_engine(through, pool_size=5)
    yield engine
    engine.dispose()


def test_a_call_that_is_never_answered_fails_in_time_and_says_why(engine: Engine, proxy: Proxy) -> None:
    began = time.monotonic()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        proxy.stall()
        with pytest.raises(OperationalError, match=r"the database did not answer within 0\.5 s") as seen:
            connection.execute(text("SELECT 1"))
    assert LIMIT <= time.monotonic() - began < LONG / 2
    assert seen.value.connection_invalidated
    assert is_outage(seen.value)
    assert reason(seen.value) == "the database did not answer within 0.5 s"


def test_a_commit_that_is_never_answered_fails_too_and_then_the_engine_recovers(engine: Engine, proxy: Proxy) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(engine.connect()).execute(text("SELECT 1"))
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE written (id int)"))
        proxy.stall()
        with pytest.raises(OperationalError, match="did not answer") as seen:
            connection.commit()
    assert is_outage(seen.value)
    proxy.flow()
    for _ in range(6):
        with engine.begin() as connection:
            connection.execute(text("SELECT 1"))


def test_every_thread_that_waits_is_freed(engine: Engine, proxy: Proxy) -> None:
    together = threading.Barrier(6)

    def ask() -> str:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            together.wait(LONG)
            together.wait(LONG)
            with pytest.raises(OperationalError) as seen:
                connection.execute(text("SELECT 1"))
            return reason(seen.value)

    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(ask) for _ in range(5)]
        together.wait(LONG)
        proxy.stall()
        together.wait(LONG)
        assert {one.result(LONG / 2) for one in waiting} == {"the database did not answer within 0.5 s"}


def test_connecting_to_a_server_that_says_nothing_fails_in_time(through: Settings, proxy: Proxy) -> None:
    url = through.database_url.get_secret_value() + "?connect_timeout=2"
    engine = make_engine(through.model_copy(update={"database_url": SecretStr(url)}), io_limit=LONG)
    proxy.stall()
    with pytest.raises(OperationalError) as seen:
        engine.connect()
    assert is_outage(seen.value)


def test_calls_in_time_are_left_alone_however_many_there_are(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings, io_limit=2)
    with engine.connect() as connection, engine.connect() as other:
        session = connection.scalar(text("SELECT pg_backend_pid()"))
        for _ in range(5):
            other.execute(text("SELECT pg_sleep(0.5)"))  # `connection` is idle meanwhile
        connection.execute(text("SELECT pg_sleep(0.5)"))
        assert connection.scalar(text("SELECT pg_backend_pid()")) == session
    engine.dispose()


def test_the_limit_of_an_engine_is_that_of_the_settings_unless_it_is_given_another(through: Settings) -> None:
    for io_limit, expected in ((None, LIMIT), (7.0, 7.0), (math.inf, math.inf)):
        engine = make_engine(through, io_limit=io_limit)
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, BoundedConnection)
            assert driver.io_limit == expected
        engine.dispose()


def test_waiting_for_notices_is_no_unanswered_call(postgres_settings: Settings) -> None:
    url = make_url(postgres_settings.database_url.get_secret_value()).render_as_string(hide_password=False)
    with BoundedConnection.connect(url, io_limit=LIMIT, autocommit=True) as connection:
        connection.execute(f"LISTEN {JOBS_CHANNEL}")
        assert list(connection.notifies(timeout=2 * LIMIT)) == []
        assert list(connection.notifies(timeout=0)) == []
        connection.execute(f"NOTIFY {JOBS_CHANNEL}")
        assert [notice.channel for notice in connection.notifies(timeout=LONG, stop_after=1)] == [JOBS_CHANNEL]


def test_the_connections_of_jobs_are_bounded_too(through: Settings, proxy: Proxy) -> None:
    engine = make_engine(through)
    guard_driver(engine)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        proxy.stall()
        with pytest.raises(OperationalError, match="did not answer"):
            connection.execute(text("SELECT 1"))
    engine.dispose()


class AsksForTooMuch(BaseJob):
    def execute(self) -> bool:
        try:
            self.session.execute(text("SELECT pg_sleep(60)"))
        except OperationalError as error:
            self.log(str(error.orig))
        return False


def test_a_job_gets_its_thread_back(postgres_settings: Settings) -> None:
    engine = make_engine(postgres_settings)
    settings = postgres_settings.model_copy(update={"database_timeout_seconds": 2.0})
    with running(processor_for(settings, AsksForTooMuch)):
        job_id = enqueue(engine, AsksForTooMuch)
        eventually(lambda: row(engine, job_id).completed_at)
    assert "the database did not answer within 2 s" in lines(engine, job_id)
    engine.dispose()


FORKS = """
import os, sys
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from shared.database import make_engine
from shared.settings import load_settings

def is_bounded() -> bool:
    engine = make_engine(load_settings(database_url=sys.argv[1], database_timeout_seconds=1))
    with engine.connect() as connection:
        try:
            connection.execute(text("SELECT pg_sleep(60)"))
        except OperationalError as error:
            return "did not answer" in str(error)
    return False

assert is_bounded()
child = os.fork()
if child:
    assert is_bounded()
    sys.exit(os.waitpid(child, 0)[1] != 0)
os._exit(not is_bounded())
"""


def test_a_forked_child_has_a_watcher_of_its_own(postgres_settings: Settings) -> None:
    url = postgres_settings.database_url.get_secret_value()
    done = subprocess.run([sys.executable, "-c", FORKS, url], cwd=ROOT, timeout=LONG, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


# The watcher alone, without a database and without luck: the tests say what time it is.


def works(pair: tuple[socket.socket, socket.socket]) -> bool:
    with contextlib.suppress(BrokenPipeError):
        pair[0].send(b"!")
        return pair[1].recv(1) == b"!"
    return False


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = socket.socketpair()
    yield pair
    for end in pair:
        end.close()


def test_only_lines_of_calls_that_are_due_are_shut(pair: tuple[socket.socket, socket.socket]) -> None:
    watcher, now = Watcher(), time.monotonic()
    line, other = Line(pair[0].fileno()), Line(pair[1].fileno())
    watcher.call_begins(line, 10)
    watcher.call_begins(other, 1000)
    assert 5 < watcher.shut_overdue(now + 5) - now < 15
    assert works(pair)
    assert 500 < watcher.shut_overdue(now + 15) - now < 1500
    assert (line.is_shut, other.is_shut, works(pair)) == (True, False, False)
    watcher.call_ends(line)
    watcher.call_ends(other)
    assert watcher.shut_overdue(now + 10_000) == math.inf
    assert not other.is_shut


def test_a_call_that_has_ended_is_not_shut_even_when_its_number_is_another_files_now(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    watcher = Watcher()
    line = Line(pair[0].fileno())
    number = line._descriptor
    watcher.call_begins(line, 0)
    watcher.release(line)
    os.dup2(pair[1].fileno(), number)  # what the system may do with the number at any time
    watcher.shut_overdue(time.monotonic() + LONG)
    line.shut()
    assert works(pair)
    os.close(number)


def test_a_socket_that_libpq_has_closed_within_the_call_is_not_mistaken_for_another(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    watcher = Watcher()
    mine, peer = socket.socketpair()
    line = Line(mine.fileno())
    watcher.call_begins(line, 0)
    number = mine.detach()
    os.dup2(pair[0].fileno(), number)
    watcher.shut_overdue(time.monotonic() + LONG)
    assert line.is_shut
    assert peer.recv(1) == b""
    assert works(pair)
    os.close(number)
    peer.close()
    line.release()


def test_a_call_that_ends_while_its_line_is_being_shut_waits_for_that(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the caller could close the connection, and the number go to another file, in between."""
    watcher, line = Watcher(), Line(pair[0].fileno())
    in_the_middle, goes_on, has_ended = threading.Event(), threading.Event(), threading.Event()

    def shut_slowly(_line: Line) -> None:
        in_the_middle.set()
        goes_on.wait(LONG)

    monkeypatch.setattr(Line, "shut", shut_slowly)
    watcher.call_begins(line, 0)
    watching = threading.Thread(target=watcher.shut_overdue, args=(time.monotonic() + LONG,))
    ending = threading.Thread(target=lambda: (watcher.call_ends(line), has_ended.set()))
    watching.start()
    assert in_the_middle.wait(LONG)
    ending.start()
    assert not has_ended.wait(0.1)
    goes_on.set()
    assert has_ended.wait(LONG)
    watching.join()
    ending.join()


def test_a_closed_connection_leaves_no_descriptor_behind(postgres_settings: Settings) -> None:
    url = postgres_settings.database_url.get_secret_value()
    with BoundedConnection.connect(url) as connection:
        number = connection._line._descriptor
        os.fstat(number)
    connection.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    with pytest.raises(psycopg.OperationalError, match="closed"):
        connection.execute("SELECT 1")
