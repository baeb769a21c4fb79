"""Wrong settings are all named at once, in words, before anything is opened."""

from pathlib import Path

import pytest

from bookbot_worker import build_processor
from shared.errors import ConfigurationError
from shared.job_types import catalogue
from shared.settings import load_settings

pytestmark = pytest.mark.integration


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module called `users_own`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "users_own", raising=False)
    return tmp_path / "users_own.py"


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CONCURRENCY", "0"), ("POLL_SECONDS", "nan"), ("LOG_LEVEL", "LOUD"), ("LLM", "nobody")):
        monkeypatch.setenv(f"BOOKBOT_{name}", value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    for name in ("BOOKBOT_CONCURRENCY", "BOOKBOT_POLL_SECONDS", "BOOKBOT_LOG_LEVEL", "BOOKBOT_LLM"):
        assert f"{name}: " in str(refused.value)


def test_an_env_file_that_is_no_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"BOOKBOT_CONCURRENCY=\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"\.env is not UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("JOB_TYPES = 5", "JOB_TYPES must be a list of JobType"),
        ("JOB_TYPES = [1]", "JOB_TYPES must be a list of JobType"),
        ("x = 1", "has no attribute 'JOB_TYPES'"),
        ("JOB_TYPES = [", "SyntaxError"),
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("import no_such_thing", "No module named 'no_such_thing'"),
    ],
)
def test_a_module_of_job_types_that_cannot_be_used_is_named(
    module: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    module.write_text(code)
    monkeypatch.setenv("BOOKBOT_JOB_TYPES", "users_own")
    catalogue.cache_clear()
    with pytest.raises(ConfigurationError, match=r"BOOKBOT_JOB_TYPES.*users_own") as refused:
        catalogue()
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("register = 5", "TypeError"),
        ("def register(processor): raise RuntimeError('not today')", "RuntimeError: not today"),
        ("def register(processor): processor.register('nothing', object)", "there is no job type 'nothing'"),
        ("def register(processor): processor.register('demo', object)", "does not inherit from BaseJob"),
    ],
)
def test_a_module_of_jobs_that_cannot_be_used_is_named(
    module: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    module.write_text(code)
    monkeypatch.setenv("BOOKBOT_JOBS", "users_own")
    with pytest.raises(ConfigurationError, match="BOOKBOT_JOBS: users_own") as refused:
        build_processor()
    assert words in str(refused.value)
