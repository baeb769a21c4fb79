"""The key of the LLM is a canary: after every kind of trouble it is found nowhere but in the environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, select

from bookbot_worker.llm.choose import author_for
from bookbot_worker.llm.client import Listener
from bookbot_worker.llm.errors import LLMError
from shared.settings import Settings, load_settings
from tests.support.claims import add_book
from tests.support.fleet import Fleet
from tests.support.llm_stub import MODEL, llm_stub, prompt, worker_environment
from tests.support.product import BRIEF, add_job
from tests.support.running import eventually, row

pytestmark = pytest.mark.acceptance

KEY = "sk-CANARY-7f3a9c51e2d84b60"
PIECES = {KEY, KEY[:12], KEY[-12:], "CANARY"}

KEY_FAULTS = ("bad-key", "no-credit", "429", "cut", "html", "redirect", "error-inside")


def found_in(text: str) -> set[str]:
    return {piece for piece in PIECES if piece.lower() in text.lower()}


def everything_in(engine: Engine) -> str:
    """All rows of all tables."""
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        return "\n".join(repr(line) for table in tables.sorted_tables for line in connection.execute(select(table)))


@pytest.mark.parametrize(
    ("settings", "place"), [("sqlite", "environment"), ("postgresql", "credential")], indirect=["settings"]
)
def test_the_key_reaches_the_server_and_nothing_else(
    engine: Engine, settings: Settings, fleet: Fleet, tmp_path: Path, place: str
) -> None:
    chatty = {"BOOKBOT_LOG_LEVEL": "DEBUG", "OPENAI_LOG": "debug"}
    if place == "environment":
        secret = {"BOOKBOT_LLM_API_KEY": KEY}
    else:
        (tmp_path / "llm-api-key").write_text(f"{KEY}\n")
        secret = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    with llm_stub(tmp_path / "record", key=KEY) as stub:
        worker = fleet.start(env=worker_environment(stub.url) | chatty | secret)
        jobs = [
            add_job(engine, "create_foundation", add_book(engine), props={"brief": BRIEF, "model": f"{MODEL}:{fault}"})
            for fault in KEY_FAULTS
        ]
        good = add_job(engine, "create_foundation", add_book(engine), props={"brief": BRIEF})
        eventually(lambda: all(row(engine, job).error_message or row(engine, job).progress_message for job in jobs), 60)
        eventually(lambda: row(engine, good).state == "completed", 60)
        worker.process.terminate()
        worker.exit_code()
    assert "does not accept the key" in str(row(engine, jobs[0]).error_message)
    rows, log = everything_in(engine), worker.log.read_text()
    assert "BAD_KEY" in rows.upper()
    assert "openai._base_client" in log  # the SDK was talkative
    assert {"rows": found_in(rows), "log": found_in(log)} == {"rows": set(), "log": set()}
    command = [sys.executable, "-m", "bookbot_worker", "jobs"]
    env = {"DATABASE_URL": settings.database_url.get_secret_value(), "PATH": "/usr/bin", "BOOKBOT_LLM_API_KEY": KEY}
    for words in (["show", jobs[0], "--llm", "--json"], ["why", jobs[0]], ["logs", jobs[0]]):
        shown = subprocess.run([*command, *words], env=env, capture_output=True, text=True, check=True)
        assert found_in(shown.stdout + shown.stderr) == set()


def test_no_repr_and_no_error_shows_the_key(tmp_path: Path) -> None:
    with llm_stub(tmp_path / "record", key="another") as stub:
        chosen = load_settings(llm="openai_compatible", llm_base_url=stub.url, llm_model=MODEL, llm_api_key=KEY)
        author = author_for(chosen)
        with pytest.raises(LLMError) as raised:
            author.complete(prompt(), Listener())
        author.close()  # type: ignore[attr-defined]
    error = raised.value
    frames = [repr(entry.frame.f_locals) for entry in raised.traceback[1:]]
    shown = [repr(chosen), str(chosen), repr(vars(author)), repr(error), str(error), repr(vars(error)), *frames]
    assert found_in("\n".join(shown)) == set()
    assert (error.__cause__, error.__context__) == (None, None)
