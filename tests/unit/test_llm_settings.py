"""Where an LLM may be, which key goes there, and what is missing: one sentence each, and never the key."""

from pathlib import Path

import pytest

from bookbot_worker.llm.choose import author_for
from bookbot_worker.llm.offline import OfflineAuthor
from bookbot_worker.llm.stub.faults import Fault, Rule, choose, split_model
from shared.errors import ConfigurationError
from shared.settings import load_settings
from tests.support.llm_stub import client

pytestmark = pytest.mark.unit

KEY = "sk-CANARY0123456789"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1"),
        (" http://127.0.0.1:11434/v1 ", "http://127.0.0.1:11434/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("", ""),
    ],
)
def test_an_address_is_kept_without_the_slash_at_its_end(given: str, kept: str) -> None:
    assert load_settings(llm_base_url=given).llm_base_url == kept


@pytest.mark.parametrize(
    "address",
    [
        "ftp://host/v1", "openrouter.ai/api/v1", "https://", "file:///etc/passwd", f"https://user:{KEY}@host/v1",
        f"https://{KEY}@host/v1", f"https://host/v1?key={KEY}", "https://host/v1#x", "https://host:99999/v1",
        "https://ho st/v1", "https://[::1/v1",
    ],
)  # fmt: skip
def test_what_is_no_address_for_requests_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(ConfigurationError, match="BOOKBOT_LLM_BASE_URL") as raised:
        load_settings(llm_base_url=address)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://openrouter.ai/api/v1", "http://localhost:1234/v1", "http://127.0.0.1/v1", "http://[::1]/v1",
        "http://192.168.1.5:8000/v1", "http://vllm:8000/v1", "http://gpu.internal/v1", "http://[fd00::1]:8000/v1",
    ],
)  # fmt: skip
def test_a_key_goes_to_encrypted_and_to_private_addresses(address: str) -> None:
    assert load_settings(llm_base_url=address, llm_api_key=KEY).llm_api_key is not None


@pytest.mark.parametrize("address", ["http://openrouter.ai/api/v1", "http://8.8.8.8/v1", "http://LOCALHOST.example/v1"])
def test_a_key_never_goes_over_the_internet_in_the_clear(address: str) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted") as raised:
        load_settings(llm_base_url=address, llm_api_key=KEY, llm_connect_seconds=0)
    assert KEY not in str(raised.value)
    assert "BOOKBOT_LLM_CONNECT_SECONDS" in str(raised.value)  # all errors at once


@pytest.mark.parametrize("key", ["with space", "line\nbreak", "ключ", "nul\0"])
def test_a_key_that_fits_no_header_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match="BOOKBOT_LLM_API_KEY"):
        load_settings(llm_api_key=key)


def test_systemd_hands_the_key_over_as_a_file_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "llm-api-key").write_text(f"{KEY}\n")
    assert load_settings().llm_api_key is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    found = load_settings().llm_api_key
    assert found is not None
    assert found.get_secret_value() == KEY
    assert KEY not in repr(load_settings())
    monkeypatch.setenv("BOOKBOT_LLM_API_KEY", "another")
    found = load_settings().llm_api_key
    assert found is not None
    assert found.get_secret_value() == "another"


def test_a_credential_that_cannot_be_read_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "llm-api-key").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigurationError, match="credential llm-api-key"):
        load_settings()


def test_the_settings_choose_the_author() -> None:
    assert isinstance(author_for(load_settings(llm="offline")), OfflineAuthor)
    with client("https://llm.example/v1", llm_api_key=KEY) as author:
        assert KEY not in repr(author)
        assert KEY not in repr(vars(author)["_server"])


def test_all_that_is_missing_is_named_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match="BOOKBOT_LLM_BASE_URL and BOOKBOT_LLM_MODEL must be set"):
        author_for(load_settings(llm="openai_compatible"))
    with pytest.raises(ConfigurationError, match="openai_compatible, BOOKBOT_LLM_API_KEY must be set"):
        author_for(load_settings(llm="openai_compatible", llm_base_url="https://llm.example/v1", llm_model="m"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("cut", Rule(Fault.CUT, 1, None)),
        ("429@2", Rule(Fault.RATE_LIMIT, 2, 2)),
        ("bad-key@3-5", Rule(Fault.BAD_KEY, 3, 5)),
    ],
)
def test_a_fault_is_typed_with_its_requests(text: str, rule: Rule) -> None:
    assert Rule.parse(text) == rule


@pytest.mark.parametrize("text", ["", "nonsense", "cut@", "cut@0", "cut@5-2", "cut@x", "@2"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"faults:|counted from 1"):
        Rule.parse(text)


def test_the_header_comes_before_the_model_and_the_model_before_the_rules() -> None:
    rules = [Rule(Fault.CUT, 2, 3), Rule(Fault.SLOW)]
    assert [choose(rules, number, None, "") for number in (1, 2, 3, 4)] == ["slow", "cut", "cut", "slow"]
    assert choose(rules, 2, Fault.HANG, "") is Fault.HANG
    assert choose(rules, 2, Fault.HANG, "429") is Fault.RATE_LIMIT
    assert choose((), 1, None, "unheard-of") is None
    assert split_model("offline-author-1:cut") == ("offline-author-1", Fault.CUT)
    assert split_model("llama3:8b") == ("llama3:8b", None)
