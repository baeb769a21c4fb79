"""A PostgreSQL that keeps what it acknowledged, and that a test may kill, freeze, restart and fail over.

Its postmaster is a child of the test run and ends with it, however the run ends. All its processes have ordinary
pids; only Linux can tell which they are.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from tests.support.postgres import Home, any_programs, free_port, temporary_home
from tests.support.processes import spawn, state_of, working_in
from tests.support.running import eventually

SETTINGS = """
fsync = on
max_connections = 100
shared_buffers = 32MB
wal_keep_size = 256MB
wal_retrieve_retry_interval = 200ms
"""

_STOPS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Refused(RuntimeError):
    """The server ended instead of starting; the message is the end of its log."""


@dataclass(frozen=True)
class Backend:
    """One session, as the server shows it."""

    pid: int
    application: str
    database: str | None
    state: str | None
    query: str
    is_in_transaction: bool
    waits_for: str | None


class DurableServer:
    """One cluster and its server. Standbys made of it are servers of their own, closed together with it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.port = free_port()
        self.log = home.path / "server.log"
        self.addresses = "127.0.0.1"
        self._process: subprocess.Popen[bytes] | None = None
        self._open = contextlib.ExitStack()

    # Its life

    @property
    def is_running(self) -> bool:
        """Whether the postmaster lives, be it frozen."""
        return self._process is not None and self._process.poll() is None

    def start(self, seconds: float = 30.0) -> None:
        """Start and wait until it answers. Raises Refused where it ends instead, as it does beside old backends."""
        address = [part for setting in self.home.listening_on(self.port) for part in ("-c", setting)]
        address += ["-c", f"listen_addresses={self.addresses}"]
        command = [*self.home.prefix, str(self.home.programs / "postgres"), "-D", str(self.home.data), *address]
        with self.log.open("ab") as log:
            self._process = spawn(command, stdout=log, stderr=log, cwd=self.home.path)
        eventually(self._answers, seconds)

    def listen_also_on(self, address: str, network: str) -> None:
        """Serve another network too, after a restart; everybody on it may do everything."""
        with (self.home.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")
        self.addresses = f"127.0.0.1,{address}"
        self.stop()
        self.start()

    def restart(self, seconds: float = 30.0) -> None:
        """Start after a kill, again and again until the processes left over have ended and it is let in."""
        eventually(self._starts, seconds)

    def stop(self, mode: str = "fast", seconds: float = 30.0) -> None:
        """Shut down: "smart" waits for clients, "fast" throws them out, "immediate" drops everything at once."""
        if self._process is not None:
            self._process.send_signal(_STOPS[mode])
            self._process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL the postmaster. Its backends notice when they are idle; one that works goes on to its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)

    def pause(self) -> None:
        """Freeze every process of the server; connections stay open, and the kernel goes on to acknowledge."""
        eventually(self._stands_still)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._signal_all(signal.SIGCONT)

    def heal(self) -> None:
        """Whatever a test did to it: running, not frozen, with its first settings, its standbys gone."""
        self.resume()
        self._open.close()
        if not self.is_running:
            self.restart()
        eventually(self._has_first_settings)

    def close(self) -> None:
        """End it and everything that belongs to it."""
        self._open.close()
        self.resume()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop("immediate", 10)
        self.kill()
        self._signal_all(signal.SIGKILL)
        eventually(lambda: not self.pids())

    # What a client needs

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://test@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements, each in a transaction of its own; returns the rows of the last."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str, template: str = "template1") -> str:
        """A copy of `template`; returns its URL."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    # Single processes

    def pids(self) -> list[int]:
        """Every process of the server, the postmaster first, also those that have outlived it."""
        first = self._process.pid if self._process is not None else 0
        return sorted(working_in(self.home.data), key=lambda pid: pid != first)

    def backends(self, application: str = "%") -> list[Backend]:
        """The sessions whose application name is LIKE this; not the one that asks."""
        query = """SELECT pid, application_name AS application, datname AS database, state, query,
                          xact_start IS NOT NULL AS is_in_transaction, wait_event AS waits_for FROM pg_stat_activity
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name LIKE %s"""
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=10) as connection:
            return connection.cursor(row_factory=class_row(Backend)).execute(query, [application]).fetchall()

    def kill_backend(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send one session's process a signal. After SIGKILL the server throws out all others and recovers."""
        assert pid in self.pids()
        os.kill(pid, number)

    def terminate_all(self, application: str = "bookbot%") -> int:
        """pg_terminate_backend of all such sessions; returns how many."""
        found = self.backends(application)
        self.execute(*(f"SELECT pg_terminate_backend({backend.pid})" for backend in found))
        return len(found)

    # A second server

    def standby(self) -> "DurableServer":
        """A copy that follows this server; running and streaming when this returns."""
        home = self._open.enter_context(temporary_home(self.home.programs))
        copy = DurableServer(home)
        source = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "test"]
        home.run("pg_basebackup", *source, "-D", str(home.data), "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self._open.callback(copy.close)
        copy.start()
        eventually(lambda: self.execute("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))
        return copy

    def synchronous(self) -> None:
        """Acknowledge commits only when the standby has them."""
        self._set("synchronous_standby_names", "*")
        eventually(lambda: self.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"))

    def hold_commits(self) -> None:
        """Acknowledge no commit: all wait for a standby that will never come. Their work is done, and invisible."""
        self._set("synchronous_standby_names", "nobody")

    def release_commits(self) -> None:
        """Acknowledge commits without waiting for any standby."""
        self._set("synchronous_standby_names", "")

    def stop_receiving(self) -> None:
        """On a standby: hear no more of the primary, so that what it commits from now on is lost at failover."""
        self._set("primary_conninfo", "")
        eventually(lambda: not self.execute("SELECT 1 FROM pg_stat_wal_receiver"))

    def catch_up_with(self, primary: "DurableServer") -> None:
        """On a standby: wait until everything the primary has written by now is here."""
        [[lsn]] = primary.execute("SELECT pg_current_wal_lsn()::text")
        eventually(lambda: self.execute(f"SELECT 1 WHERE pg_last_wal_replay_lsn() >= '{lsn}'"))

    def promote(self) -> None:
        """On a standby: become a primary."""
        assert self.execute("SELECT pg_promote(true, 30)") == [(True,)]

    def _set(self, name: str, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
        eventually(lambda: self.execute(f"SHOW {name}") == [(value,)])

    def _answers(self) -> bool:
        if not self.is_running:
            raise Refused(self.log.read_text(errors="replace")[-1000:])
        with contextlib.suppress(psycopg.OperationalError):
            return bool(self.execute("SELECT 1"))
        return False

    def _has_first_settings(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):  # it may just be coming back from a crash
            self.execute("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
            return True
        return False

    def _starts(self) -> bool:
        with contextlib.suppress(Refused):
            self.start()
            return True
        return False

    def _stands_still(self) -> bool:
        self._signal_all(signal.SIGSTOP)  # the postmaster first; again for those it has started just before
        return all(state_of(pid) in "TZ" for pid in self.pids())

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def failover_url(*servers: DurableServer, database: str) -> str:
    """A URL that leads to whichever of the servers takes writes."""
    hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in servers)
    return f"postgresql://test@/{database}?{hosts}&target_session_attrs=read-write"


@contextlib.contextmanager
def durable_server() -> Iterator[DurableServer]:
    """A running server with an empty cluster, gone at the end."""
    with temporary_home(any_programs()) as home:
        home.initialise()
        with (home.data / "postgresql.conf").open("a") as settings:  # where a standby finds them too
            settings.write(SETTINGS)
        server = DurableServer(home)
        with contextlib.closing(server):
            server.start()
            yield server
