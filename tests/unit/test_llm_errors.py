"""What servers say when they do not answer: of which kind it is, how long to wait, and what of it may be shown."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import openai
import pytest

from bookbot_worker.llm.errors import SENTENCES, WORTH_REPEATING, Kind, LLMError, LLMRetry, failure
from bookbot_worker.llm.masking import LONGEST_DETAIL, detail_of
from bookbot_worker.llm.openai_compatible.faults import fault_of
from bookbot_worker.llm.openai_compatible.reading import Complaint
from bookbot_worker.llm.retry_after import retry_after
from bookbot_worker.outcomes import Retry

pytestmark = pytest.mark.unit

OPENAI = "openai"
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


def error(message: str = "", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, error("Rate limit reached", type="requests", code="rate_limit_exceeded"), Kind.RATE_LIMITED),
        (429, error("", code=429), Kind.RATE_LIMITED),
        (429, "slow down", Kind.RATE_LIMITED),
        (429, error("You exceeded your current quota", code="insufficient_quota"), Kind.NO_CREDIT),
        (402, error("This request requires more credits, or fewer max_tokens.", code=402), Kind.NO_CREDIT),
        (400, error("Your credit balance is too low"), Kind.NO_CREDIT),
        (500, error("oops", type="server_error"), Kind.PROVIDER_TROUBLE),
        (502, "<html>Bad gateway</html>", Kind.PROVIDER_TROUBLE),
        (503, None, Kind.PROVIDER_TROUBLE),
        (529, error("Overloaded", type="overloaded_error"), Kind.PROVIDER_TROUBLE),
        (408, error("timeout"), Kind.PROVIDER_TROUBLE),
        (0, error("Provider returned error", code=502), Kind.PROVIDER_TROUBLE),
        (0, error("Rate limited upstream", code=429), Kind.RATE_LIMITED),
        (0, error("something"), Kind.PROVIDER_TROUBLE),
        (401, error("Incorrect API key provided", code="invalid_api_key"), Kind.BAD_KEY),
        (401, error("No auth credentials found", code=401), Kind.BAD_KEY),
        (403, error("Country not supported"), Kind.BAD_KEY),
        (403, error("Your input was flagged by moderation"), Kind.FLAGGED),
        (400, error("policy", code="content_filter"), Kind.FLAGGED),
        (404, error("The model `x` does not exist", code="model_not_found"), Kind.UNKNOWN_MODEL),
        (404, {"detail": "Not Found"}, Kind.UNKNOWN_MODEL),
        (404, error("model 'llama9' not found, try pulling it first"), Kind.UNKNOWN_MODEL),
        (400, error("foo/bar is not a valid model ID", code=400), Kind.UNKNOWN_MODEL),
        (400, error("This model's maximum context length is 8192 tokens."), Kind.CONTEXT_TOO_LONG),
        (400, error("", code="context_length_exceeded"), Kind.CONTEXT_TOO_LONG),
        (400, error("the request exceeds the available context size", type="exceed_context_size_error"),
         Kind.CONTEXT_TOO_LONG),
        (500, error("input is larger than the context window"), Kind.CONTEXT_TOO_LONG),
        (413, "", Kind.CONTEXT_TOO_LONG),
        (301, "", Kind.REDIRECTED),
        (307, None, Kind.REDIRECTED),
        (400, error("bad"), Kind.REFUSED),
        (418, error("teapot"), Kind.REFUSED),
        (400, {"error": "a plain text"}, Kind.REFUSED),
        (400, ["nonsense"], Kind.REFUSED),
        (400, {"error": {"message": 7, "code": {"a": 1}}}, Kind.REFUSED),
    ],
)  # fmt: skip
def test_what_a_server_says_is_of_one_kind(status: int, body: object, kind: Kind) -> None:
    assert Complaint.of(status, body).kind is kind


def test_every_kind_has_a_sentence_and_is_worth_repeating_or_not() -> None:
    assert set(SENTENCES) == set(Kind)
    for kind in Kind:
        raised = failure(kind, "llm.example", "what it said", timedelta(seconds=3))
        assert raised.kind is kind
        assert isinstance(raised, Retry) == isinstance(raised, LLMRetry) == (kind in WORTH_REPEATING)
        assert isinstance(raised, LLMError) == (kind not in WORTH_REPEATING)
        assert str(raised).endswith(": what it said")
        assert "{" not in str(raised)
        if isinstance(raised, Retry):
            assert raised.after == timedelta(seconds=3)


def test_faults_that_pass_by_themselves_are_the_ones_worth_repeating() -> None:
    final = {"bad_key", "no_credit", "unknown_model", "context_too_long", "answer_too_long", "flagged", "redirected"}
    final |= {"tls", "not_the_protocol", "refused"}
    assert {kind.value for kind in set(Kind) - WORTH_REPEATING} == final


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "99"}, 1.5),
        ({"retry-after": "Wed, 25 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Wed, 25 Nov 2026 15:00:30 GMT", "date": "Wed, 25 Nov 2026 15:00:00 GMT"}, 30),
        ({"retry-after": "999999999"}, 3600),
        ({"retry-after": "inf"}, 3600),
        ({"retry-after": "Fri, 25 Nov 2033 12:00:30 GMT"}, 3600),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "Tue, 24 Nov 2026 12:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_a_server_may_say_how_long_to_wait_up_to_an_hour(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == (None if seconds is None else timedelta(seconds=seconds))


KEY = "sk-or-v1-CANARY0123456789abcdef"


@pytest.mark.parametrize(
    "echo", [KEY, f"Bearer {KEY}", KEY[:14] + "…", "***" + KEY[-8:], f'"{KEY}",', KEY[4:20], "sk-proj-somebodyelses"]
)
def test_nothing_of_a_key_is_shown(echo: str) -> None:
    shown = detail_of(f"Incorrect API key provided: {echo} (see the docs)", KEY)
    assert shown.startswith("Incorrect API key provided: ")
    assert shown.endswith(" (see the docs)")
    assert not any(KEY[start : start + 6] in shown for start in range(len(KEY) - 5))
    assert "somebodyelses" not in shown


def test_what_a_server_says_becomes_one_short_harmless_line() -> None:
    shown = detail_of("first\nsecond\x1b[2J\x00 \ud800 " + "long " * 10_000, "")
    assert shown.startswith("first second")
    assert len(shown) < LONGEST_DETAIL + 60
    assert not {"\n", "\x1b", "\x00", "\ud800"} & set(shown)


def test_what_the_provider_behind_a_broker_said_is_told() -> None:
    complaint = Complaint.of(502, error("Provider returned error", code=502, metadata={"raw": "GPU on fire"}))
    assert complaint.words == "Provider returned error: GPU on fire (status 502)"


def test_a_certificate_that_does_not_hold_is_no_fault_to_repeat() -> None:
    refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_message = "self-signed certificate"
    connecting = httpx2.ConnectError("failed")
    connecting.__cause__ = refused
    error = openai.APIConnectionError(request=httpx2.Request("POST", "https://host/v1"))
    error.__cause__ = connecting
    assert fault_of(error) == (Kind.TLS, "self-signed certificate", None)
    assert Kind.TLS not in WORTH_REPEATING
