"""The web's role: what `db grants` prints is enough for the web (all its tests run under it), and no more.

Each refusal is the server's own, so it holds whatever the web's code does.
"""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from shared.database import make_engine
from shared.enqueue import create_job
from shared.errors import InvalidInput
from shared.grants import grants
from shared.models import Base, Job
from shared.requests import request_cancel
from shared.settings import Settings
from tests.support.web import as_web

pytestmark = pytest.mark.integration

REFUSED = [
    "UPDATE jobs SET state = 'completed', completed_at = now()",
    "UPDATE jobs SET result = '{}'",
    "UPDATE jobs SET cost_usd = 0",
    "UPDATE jobs SET props = '{}'",
    "UPDATE jobs SET claim_id = NULL, worker_id = NULL",
    "UPDATE books SET title = 'mine'",
    "UPDATE books SET locked_by_job_id = NULL",
    "UPDATE chunks SET text = ''",
    "UPDATE schema_info SET oldest_worker = '9999'",
    "UPDATE alembic_version SET version_num = '0001'",
    "INSERT INTO schema_info VALUES ('9999')",
    "INSERT INTO job_logs SELECT * FROM job_logs",
    "INSERT INTO llm_calls SELECT * FROM llm_calls",
    "INSERT INTO workers SELECT * FROM workers",
    "DROP TABLE job_logs",
    "ALTER TABLE jobs ADD COLUMN mine int",
    "ALTER TABLE jobs DISABLE TRIGGER ALL",
    "CREATE TABLE mine (id int)",
    "CREATE INDEX mine ON jobs (props)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY jobs TO PROGRAM 'cat'",
    *(f"{act} {table}" for table in sorted(Base.metadata.tables) for act in ("DELETE FROM", "TRUNCATE")),
]


@pytest.fixture
def web_engine(postgres_settings: Settings) -> Iterator[Engine]:
    """What the web connects with."""
    engine = make_engine(as_web(postgres_settings))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("statement", REFUSED)
def test_the_server_refuses_the_web_what_only_workers_do(web_engine: Engine, statement: str) -> None:
    with web_engine.connect() as connection, pytest.raises(ProgrammingError) as refused:
        connection.execute(text(statement))
    assert getattr(refused.value.orig, "sqlstate", None) == "42501"


def test_the_web_may_enqueue_ask_and_read(web_engine: Engine) -> None:
    with Session(web_engine) as session, session.begin():
        job_id = create_job(job_type="demo", unique_key="k", session=session).job_id
        create_job(job_type="demo", depends_on=[job_id], session=session)
        request_cancel(job_id, session=session)
    with web_engine.connect() as connection:
        assert connection.scalar(select(Job.cancel_requested_at).where(Job.job_id == job_id)) is not None
        for table in Base.metadata.sorted_tables:
            connection.execute(select(table).limit(1))


def test_granting_again_takes_away_what_was_granted_by_hand(postgres_settings: Settings) -> None:
    settings = as_web(postgres_settings)
    owner = make_engine(postgres_settings)
    with owner.connect() as connection, connection.begin():
        connection.execute(text('GRANT DELETE ON jobs TO "bookbot web of tests"'))
    owner.dispose()
    engine = make_engine(as_web(postgres_settings))
    with engine.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text("DELETE FROM jobs"))
    engine.dispose()
    assert settings.database_url != postgres_settings.database_url


def test_the_command_prints_what_the_function_makes() -> None:
    command = [sys.executable, "-m", "bookbot_worker", "db", "grants", "--role", 'odd "name"', "--operate"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.rstrip("\n") == grants('odd "name"', operate=True)
    assert 'TO "odd ""name"""' in done.stdout
    assert "ON queues, schedules TO" in done.stdout.replace("job_type_limits, ", "")


@pytest.mark.parametrize("role", ["", " ", "a\nb", "a\0b", "r" * 64])
def test_what_is_no_name_of_a_role_is_refused(role: str) -> None:
    with pytest.raises(InvalidInput, match="role"):
        grants(role)
