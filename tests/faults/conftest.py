"""Fixtures of the fault tests: a durable server of their own, a proxy in front of it, real workers.

A test does to `durable` what it likes; whatever state it leaves it in, the next one finds it healed.
"""

import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from shared import schema
from shared.database import make_engine
from shared.job_types import catalogue
from shared.settings import Settings, load_settings
from tests.faults.database import Database
from tests.faults.jobs import JOB_TYPES
from tests.support.chaos_proxy import ChaosProxy
from tests.support.durable import DurableServer, durable_server
from tests.support.fault_options import FIGURE, on_failure
from tests.support.fleet import Fleet
from tests.support.llm_server import LlmServer, llm_server
from tests.support.witness import Witness

APPLICATION = "fault-test"
"""The name of the tests' own sessions, which no invariant is about."""


@pytest.fixture(autouse=True)
def _fault_jobs(_fresh_catalogue: None) -> None:
    """The job types of `tests/faults/jobs.py` can be enqueued."""
    for job_type in JOB_TYPES:
        catalogue().add(job_type)


@pytest.fixture(scope="session")
def _durable() -> Iterator[tuple[DurableServer, str]]:
    """The server, started at first use, and a migrated database on it to be cloned."""
    with durable_server() as server:
        engine = make_engine(load_settings(database_url=server.create_database("migrated")))
        schema.upgrade(engine)
        engine.dispose()
        yield server, "migrated"


@pytest.fixture
def durable(_durable: tuple[DurableServer, str], request: pytest.FixtureRequest) -> Iterator[DurableServer]:
    """A PostgreSQL to be killed, frozen and failed over."""
    server, _ = _durable
    on_failure(request.node, "server log", lambda: "\n".join(server.log.read_text().splitlines()[-20:]))
    yield server
    server.heal()


@pytest.fixture
def database(durable: DurableServer, _durable: tuple[DurableServer, str], tmp_path: Path) -> Iterator[Database]:
    """A fresh, migrated database on `durable`."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    settings = load_settings(database_url=durable.create_database(name, _durable[1]), poll_seconds=0.2)
    engine = make_engine(settings, application=APPLICATION)
    yield Database(settings, engine, Witness(tmp_path / "witness"))
    durable.heal()
    engine.dispose()
    durable.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_database(sqlite_settings: Settings, tmp_path: Path) -> Iterator[Database]:
    """A fresh, migrated SQLite file. `fleet.start(settings=sqlite_database.settings)` works on it."""
    engine = make_engine(sqlite_settings)
    yield Database(sqlite_settings, engine, Witness(tmp_path / "witness"))
    engine.dispose()


@pytest.fixture
def settings(database: Database) -> Settings:
    """The settings of `database`."""
    return database.settings


@pytest.fixture
def engine(database: Database) -> Engine:
    """An engine on `database`."""
    return database.engine


@pytest.fixture
def proxy(durable: DurableServer) -> Iterator[ChaosProxy]:
    """A proxy in front of `durable`."""
    with ChaosProxy(durable.port) as proxy:
        yield proxy


@pytest.fixture
def proxied(database: Database, proxy: ChaosProxy) -> Settings:
    """The settings of `database`, leading through `proxy`: `fleet.start(settings=proxied)`."""
    url = proxy.url(database.settings.database_url.get_secret_value())
    return database.settings.model_copy(update={"database_url": SecretStr(url)})


@pytest.fixture
def fleet(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Starts real workers on `database`; those that are left at the end are killed."""
    fleet = Fleet(database.settings, tmp_path)
    on_failure(request.node, "worker logs", fleet.tails)
    yield fleet
    fleet.close()


@pytest.fixture
def llm(tmp_path: Path) -> Iterator[LlmServer]:
    """A language model that answers when it is told to; its witness is a file of its own."""
    with llm_server(tmp_path / "llm-witness") as server:
        yield server


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What chance depends on in this test; a failure names it, `--seed` replays it."""
    given: int | None = request.config.getoption("--seed", default=None)
    seed = random.SystemRandom().randrange(10**9) if given is None else given
    on_failure(request.node, "seed", lambda: f"replay with: --seed {seed}")
    return seed


@pytest.fixture
def dice(seed: int) -> random.Random:
    """Chance, the same again for the same seed."""
    return random.Random(seed)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """`figures("rescue after SIGKILL, same host", seconds)`: a line of the table at the end of the run."""
    return lambda name, value: record_property(f"{FIGURE}{name}", value)
