"""pytest's side: fixtures for tests of job types. Found by pytest wherever this package is installed.

So it must cost a project that does not use it nothing: everything is imported by the fixtures, not here.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from bookbot_worker.testing import Performed, ScriptedLLM
    from shared.settings import Settings


@pytest.fixture
def bookbot_database_url() -> str | None:
    """The database tests run on: None, a new SQLite file for each. Override it for another, which must be small."""
    return None


@pytest.fixture
def bookbot_settings(bookbot_database_url: str | None, tmp_path: Path) -> "Settings":
    """Settings of a worker on the test's database."""
    from bookbot_worker.testing.scratch import scratch_settings, settings_for

    return scratch_settings(tmp_path) if bookbot_database_url is None else settings_for(bookbot_database_url)


@pytest.fixture
def bookbot_engine(bookbot_settings: "Settings") -> "Iterator[Engine]":
    """An SQLAlchemy engine on the test's database, to prepare and to look."""
    from shared.database import make_engine

    engine = make_engine(bookbot_settings)
    yield engine
    engine.dispose()


@pytest.fixture
def scripted_llm() -> "ScriptedLLM":
    """An author without answers; give it some with `scripted_llm.will_answer(…)`."""
    from bookbot_worker.testing import ScriptedLLM

    return ScriptedLLM()


@pytest.fixture
def perform_job(bookbot_settings: "Settings", scripted_llm: "ScriptedLLM") -> "Callable[..., Performed]":
    """`bookbot_worker.testing.perform_job` on the test's database, answered by `scripted_llm`. Any `llm=…` wins."""
    from bookbot_worker.testing import perform_job

    bound: Callable[..., Any] = partial(perform_job, database=bookbot_settings, llm=scripted_llm)
    return bound
