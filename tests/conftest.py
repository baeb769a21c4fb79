"""Fixtures of all temperatures. One PostgreSQL serves the whole run; every test gets a database of its own.

`settings`, `engine` and `session` exist twice, on SQLite and on PostgreSQL, so that a test written once runs on
both. A test that makes sense on one only asks for `postgres_settings` or `sqlite_settings`.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url
from sqlalchemy.orm import Session

from shared import schema
from shared.database import default_engine, make_engine
from shared.job_types import catalogue
from shared.settings import Settings, load_settings
from tests.support.postgres import execute, postgres

SERVER = pytest.StashKey[object]()

pytest_plugins = ["tests.support.fault_options"]


def pytest_configure(config: pytest.Config) -> None:
    """Start the server once, in the process that hands out the tests."""
    if hasattr(config, "workerinput") or config.option.collectonly or config.option.help:
        return
    running = postgres()
    server = running.__enter__()
    config.add_cleanup(lambda: running.__exit__(None, None, None))
    os.environ["TEST_SERVER_URL"] = server.url
    os.environ["TEST_SERVER_KIND"] = server.kind
    config.stash[SERVER] = server


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which PostgreSQL runs, and why the ones before it do not."""
    server = config.stash.get(SERVER, None)
    if server is None:
        return []
    return [f"PostgreSQL: {server.kind}", *(f"  passed over {reason}" for reason in server.passed_over)]  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """The name of a migrated database, to be cloned (33 ms) instead of migrated for every test."""
    server = os.environ["TEST_SERVER_URL"]
    name = f"template_{uuid.uuid4().hex[:12]}"
    execute(server, f"CREATE DATABASE {name}")
    migrate(load_settings(database_url=with_database(server, name)))
    yield name
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "bookbot.db"
    migrate(load_settings(database_url=f"sqlite:///{path}"))
    return path


@pytest.fixture
def postgres_settings(postgres_template: str) -> Iterator[Settings]:
    """Settings for a fresh, migrated PostgreSQL database."""
    server = os.environ["TEST_SERVER_URL"]
    name = f"test_{uuid.uuid4().hex[:12]}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield load_settings(database_url=with_database(server, name), poll_seconds=0.2)
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    """Settings for a fresh, migrated SQLite file."""
    path = tmp_path / "bookbot.db"
    shutil.copy(sqlite_template, path)
    return load_settings(database_url=f"sqlite:///{path}", poll_seconds=0.2)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Settings for a fresh, migrated database, on each of the two in turn."""
    name = "sqlite_settings" if request.param == "sqlite" else "postgres_settings"
    found: Settings = request.getfixturevalue(name)
    return found


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """An engine on the test's database."""
    engine = make_engine(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on the test's database; commit in the test what others shall see."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture(autouse=True)
def _fresh_catalogue() -> Iterator[None]:
    """What a test declares is forgotten after it."""
    yield
    catalogue.cache_clear()


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a process that uses the test's database, also set for this process."""
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    default_engine.cache_clear()
    catalogue.cache_clear()
    yield dict(os.environ)
    default_engine().dispose()
    default_engine.cache_clear()


def with_database(url: str, name: str) -> str:
    """`url` pointing at the database `name`."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def migrate(settings: Settings) -> None:
    """Bring the database up to date and let go of it, so that it can be copied."""
    engine = make_engine(settings)
    schema.upgrade(engine)
    engine.dispose()
