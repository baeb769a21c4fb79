"""Models and migrations say the same, on both databases; the handshake tells old from new."""

import threading

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from shared import schema
from shared.database import make_engine, parse_database_url
from shared.errors import ConfigurationError, SchemaMismatch
from shared.models import Base
from shared.settings import Settings, load_settings
from tests.support.running import eventually

pytestmark = pytest.mark.integration


IN_CLAIM_ORDER = {
    "jobs_claim": "state = 'waiting'",
    "jobs_suspects": "state = 'waiting' AND losses >= 2",
}
"""Index to what it holds."""


@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
def test_models_and_migrations_agree(engine: Engine) -> None:
    # SQLite cannot reflect an index with DESC; the next test looks at those.
    readable = {"include_name": lambda name, _kind, _parents: name not in IN_CLAIM_ORDER} if is_sqlite(engine) else {}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, **readable})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize(("index", "only"), IN_CLAIM_ORDER.items())
def test_the_indexes_of_the_claim_have_its_order_on_both(engine: Engine, index: str, only: str) -> None:
    where = "sql FROM sqlite_master WHERE name" if is_sqlite(engine) else "indexdef FROM pg_indexes WHERE indexname"
    with engine.connect() as connection:
        definition = connection.scalar(text(f"SELECT {where} = '{index}'"))
    assert "(priority DESC, run_at, job_id)" in definition
    words = definition.replace("::text", "").replace("(", "").replace(")", "")
    assert words.endswith(f"WHERE {only}")


def is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    assert schema.upgrade(engine) == schema.current(engine) == schema.head()
    schema.check(engine)


def test_the_versions_in_the_names_of_the_files_are_those_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(schema._config(None))
    assert schema.head() == scripts.get_current_head()
    assert schema._known() == {script.revision for script in scripts.walk_revisions()}


def test_a_database_without_tables_is_refused_with_what_to_do(tmp_path: object) -> None:
    engine = make_engine(load_settings(database_url=f"sqlite:///{tmp_path}/empty.db"))
    with pytest.raises(SchemaMismatch, match="db upgrade"):
        schema.check(engine)
    engine.dispose()


def migrated_by_a_later_version(engine: Engine, oldest_worker: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE schema_info SET oldest_worker = :oldest"), {"oldest": oldest_worker})


def test_a_newer_schema_that_asks_for_newer_workers_is_refused(engine: Engine) -> None:
    migrated_by_a_later_version(engine, "9999")
    for act in (schema.check, schema.upgrade):
        with pytest.raises(SchemaMismatch, match="newer than this version"):
            act(engine)


def test_a_newer_schema_that_allows_this_version_is_worked_on_and_left_as_it_is(engine: Engine) -> None:
    migrated_by_a_later_version(engine, schema.head())
    schema.check(engine)
    with pytest.raises(SchemaMismatch, match="newer than this version"):
        schema.upgrade(engine)


def test_a_migration_lets_running_transactions_pass_and_tries_again(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_PATIENCE", 0.1)
    engine = make_engine(postgres_settings)
    with engine.begin() as connection:
        command.downgrade(schema._config(connection), "0001")
    with engine.connect() as busy:
        busy.execute(text("SELECT count(*) FROM jobs"))
        migration = threading.Thread(target=schema.upgrade, args=(engine,))
        migration.start()
        eventually(lambda: somebody_waits(engine))
        eventually(lambda: not somebody_waits(engine))
        with engine.connect() as passing:  # it does not stand behind the migration for long
            passing.execute(text("SET lock_timeout = '10s'"))
            passing.execute(text("SELECT count(*) FROM jobs"))
    migration.join(20)
    schema.check(engine)
    engine.dispose()


def somebody_waits(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")))


@pytest.mark.parametrize(
    "url",
    [
        "mysql://x/y",
        "not a url",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "postgresql://u@h:notaport/d",
        "postgresql://u@[::1/d",
        "postgresql://u:p@ss@h/d",
    ],
)
def test_databases_that_cannot_work_are_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        parse_database_url(url)


def test_another_driver_for_sqlite_is_ours() -> None:
    assert parse_database_url("sqlite+aiosqlite:///x.db").drivername == "sqlite"


@pytest.mark.parametrize("url", ["postgres://u:secret@h/d", "postgresql://u:secret@h/d", "postgresql+psycopg://u@h/d"])
def test_every_spelling_of_postgresql_gets_psycopg(url: str) -> None:
    assert parse_database_url(url).drivername == "postgresql+psycopg"


def test_settings_never_show_the_password() -> None:
    settings: Settings = load_settings(database_url="postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())
