"""What is decided about calls without a database: prices, budgets, limits, the breaker, what is the same request."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bookbot_worker.llm.breaker import (
    FORGET_AFTER,
    LONGEST_PAUSE,
    PROBE_TIME,
    Circuit,
    Paused,
    Policy,
    after_failure,
    door,
    without_probe,
)
from bookbot_worker.llm.budget import Budgets, Spent, over_budget
from bookbot_worker.llm.client import Completion, Message, Prompt, Shape
from bookbot_worker.llm.entries import failed_entry, is_trouble, kind_of
from bookbot_worker.llm.errors import Kind, failure
from bookbot_worker.llm.ledger_rows import Asked
from bookbot_worker.llm.limits import Limits, Traffic, over_limit
from bookbot_worker.llm.prices import Cost, Prices
from bookbot_worker.llm.request import hash_of, request_of
from bookbot_worker.outcomes import JobCancelled, Retry
from shared.errors import ConfigurationError
from shared.llm_prices import TokenPrice
from shared.settings import load_settings

pytestmark = pytest.mark.unit

ANSWER = Completion("text", "host", "gpt-4o-2024-08-06", "stop", 1_000_000, 100_000)
TABLE = {"gpt-4o": TokenPrice(input=1, output=10)}
OPENAI = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("completion", "prices", "cost"),
    [
        (replace(ANSWER, cost_usd=0.25, cost_source="provider"), Prices(TABLE, OPENAI), Cost(0.25, "provider")),
        (replace(ANSWER, cost_usd=0.0), Prices(TABLE), Cost(0.0, "provider")),
        (ANSWER, Prices(TABLE, OPENAI), Cost(2.0, "user table")),
        (ANSWER, Prices({}, OPENAI), Cost(3.5, "genai-prices")),
        (replace(ANSWER, model="my-model"), Prices({}, OPENAI), Cost(3.5, "genai-prices")),
        (ANSWER, Prices({}, "http://127.0.0.1:11434/v1"), Cost(None, "unknown")),
        (ANSWER, Prices({}), Cost(None, "unknown")),
    ],
)
def test_a_price_comes_from_the_provider_the_users_table_the_known_prices_or_nobody(
    completion: Completion, prices: Prices, cost: Cost
) -> None:
    assert prices.cost_of(completion, "gpt-4o") == cost


def test_a_price_table_is_json_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BOOKBOT_LLM_PRICES", '{"m": {"input": 1, "output": 2.5}}')
    assert load_settings().llm_prices == {"m": TokenPrice(input=1, output=2.5)}
    (tmp_path / "prices.json").write_text('{"n": {"input": 3, "output": 4}}')
    monkeypatch.setenv("BOOKBOT_LLM_PRICES", str(tmp_path / "prices.json"))
    assert load_settings().llm_prices == {"n": TokenPrice(input=3, output=4)}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("prices-that-are-not-there.json", "nor a file that can be read"),
        ("{nonsense", "must be a JSON object"),
        ('{"m": {"input": -1, "output": 2}}', "greater than or equal to 0"),
        ('{"m": 3}', "BOOKBOT_LLM_PRICES"),
    ],
)
def test_a_price_table_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, reason: str) -> None:
    monkeypatch.setenv("BOOKBOT_LLM_PRICES", value)
    with pytest.raises(ConfigurationError, match=reason):
        load_settings()


@pytest.mark.parametrize(
    ("spent", "budgets", "reason"),
    [
        (Spent(9, 9, 9), Budgets(), None),
        (Spent(job=0.99), Budgets(job=1), None),
        (Spent(job=1.0), Budgets(job=1), "over the budget of the job: $1.00 of $1.00"),
        (Spent(book=12.345), Budgets(job=1, book=10), "over the budget of the book: $12.35 of $10.00"),
        (Spent(day=0.002), Budgets(day=0.001), "over the budget of the day: $0.0020 of $0.0010"),
        (Spent(), Budgets(day=0), "over the budget of the day: $0.00 of $0.00"),
    ],
)
def test_a_budget_holds_until_its_sum_is_spent(spent: Spent, budgets: Budgets, reason: str | None) -> None:
    assert over_budget(spent, budgets) == reason


@pytest.mark.parametrize(
    ("props", "budget"),
    [({"llm_budget_usd": 3}, 3.0), ({"llm_budget_usd": 0}, 0.0), ({}, 1.0), (None, 1.0)]
    + [({"llm_budget_usd": wrong}, 1.0) for wrong in ("3", -1, True, None, [])],
)
def test_a_books_own_budget_wins_over_the_setting(props: dict[str, object] | None, budget: float) -> None:
    assert Budgets(book=1.0).for_book(props).book == budget


@pytest.mark.parametrize(
    ("traffic", "limits", "words"),
    [
        (Traffic(50, 500), Limits(), None),
        (Traffic(1, 9), Limits(in_flight=2, per_minute=10), None),
        (Traffic(2, 9), Limits(in_flight=2, per_minute=10), "m answers 2 calls already, the limit is 2 at a time"),
        (Traffic(1, 10), Limits(in_flight=2, per_minute=10), "m was called 10 times within a minute, the limit is 10"),
    ],
)
def test_limits_count_what_is_under_way_and_the_last_minute(
    traffic: Traffic, limits: Limits, words: str | None
) -> None:
    assert over_limit("m", traffic, limits) == words


NOW = datetime(2030, 1, 31, 9, 0, tzinfo=UTC)
POLICY = Policy(failures=3, pause=timedelta(seconds=10))
FAILED_TWICE = Circuit(failures=2, openings=0, failed_at=NOW, reason="503")
OPEN = Circuit(failures=3, openings=1, failed_at=NOW, reason="503", open_until=NOW + timedelta(seconds=10))
PROBED = replace(OPEN, open_until=NOW, probe_call_id="probe", probe_until=NOW + PROBE_TIME)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("circuit", "now", "answer"),
    [
        (None, NOW, "go"),
        (FAILED_TWICE, NOW, "go"),
        (OPEN, NOW, "p is paused until 09:00:10 UTC: 503"),
        (OPEN, after(9.9), "p is paused until 09:00:10 UTC: 503"),
        (OPEN, after(10), "probe"),
        (PROBED, after(1), "p is being tried again: 503"),
        (PROBED, NOW + PROBE_TIME, "probe"),
    ],
)
def test_who_may_ask_a_model_that_has_failed(circuit: Circuit | None, now: datetime, answer: str) -> None:
    found = door(circuit, "p", now)
    told = found.reason if isinstance(found, Paused) else "go" if found is None else "probe"
    assert told == answer


@pytest.mark.parametrize(
    ("circuit", "now", "retry_after", "call", "failures", "open_for"),
    [
        (None, NOW, None, "a", 1, None),
        (FAILED_TWICE, NOW, None, "a", 3, 10),
        (FAILED_TWICE, NOW, 25, "a", 3, 25),
        (FAILED_TWICE, NOW, 100_000, "a", 3, LONGEST_PAUSE.total_seconds()),
        (FAILED_TWICE, NOW + FORGET_AFTER * 2, None, "a", 1, None),
        (PROBED, NOW, None, "probe", 4, 20),
        (replace(PROBED, openings=9), NOW, None, "probe", 4, LONGEST_PAUSE.total_seconds()),
    ],
)
def test_failures_in_a_row_open_it_and_a_failed_probe_opens_it_for_longer(
    circuit: Circuit | None, now: datetime, retry_after: float | None, call: str, failures: int, open_for: float | None
) -> None:
    asked = None if retry_after is None else timedelta(seconds=retry_after)
    found = after_failure(circuit, POLICY, "503", now, asked, call)
    until = None if open_for is None else now + timedelta(seconds=open_for)
    assert (found.failures, found.open_until, found.probe_call_id) == (failures, until, None)


def test_a_call_that_left_before_it_was_opened_does_not_prolong_the_pause() -> None:
    assert after_failure(OPEN, POLICY, "503", after(5), None, "late").open_until == OPEN.open_until


def test_a_breaker_that_is_switched_off_never_opens() -> None:
    assert after_failure(FAILED_TWICE, Policy(failures=0), "503", NOW, None, "a").open_until is None


def test_a_probe_that_told_nothing_lets_another_try() -> None:
    freed = without_probe(PROBED, "probe")
    assert freed is not None
    assert isinstance(door(freed, "p", after(1)), Circuit)
    assert without_probe(PROBED, "another") is None


PROMPT = Prompt((Message("system", "be brief"), Message("user", "hello")), model="m", temperature=0.5)


@pytest.mark.parametrize(
    "other",
    [
        replace(PROMPT, model=None),
        replace(PROMPT, temperature=None),
        replace(PROMPT, max_words=10),
        replace(PROMPT, messages=PROMPT.messages[::-1]),
        replace(PROMPT, messages=(Message("user", "be brief"), Message("user", "hello"))),
        replace(PROMPT, shape=Shape("outline", {"type": "object"})),
    ],
)
def test_only_the_same_request_has_the_same_hash(other: Prompt) -> None:
    assert hash_of(request_of(PROMPT)) == hash_of(request_of(replace(PROMPT)))
    assert hash_of(request_of(PROMPT)) != hash_of(request_of(other))


def test_the_hash_of_a_request_stays_what_it_was() -> None:
    """Else an upgrade would pay for every answer again."""
    assert hash_of(request_of(PROMPT)) == "938b31ed0b785ccf17ef6b25377096de58134bf9dea857b6b197997fc4850fcc"


ASKED = Asked("host", "gpt-4o", request_of(PROMPT), "hash")


def test_a_call_that_was_broken_off_is_estimated_and_marked_so() -> None:
    entry = failed_entry(JobCancelled("cancel"), "x" * 400, ASKED, Prices(TABLE), 5)
    assert (entry["status"], entry["error_kind"], entry["is_estimate"]) == ("failed", "cancelled", True)
    assert (entry["input_tokens"], entry["output_tokens"], entry["response"]) == (4, 100, "x" * 400)
    assert entry["cost_usd"] == pytest.approx((4 * 1 + 100 * 10) / 1e6)


def test_a_call_that_came_to_nothing_costs_nothing() -> None:
    entry = failed_entry(failure(Kind.UNREACHABLE, "host"), "", ASKED, Prices(TABLE), 5)
    assert (entry["error_kind"], entry.get("cost_usd"), entry.get("cost_source")) == ("unreachable", None, None)


@pytest.mark.parametrize(
    ("error", "kind", "counts"),
    [
        (failure(Kind.RATE_LIMITED, "h"), "rate_limited", True),
        (failure(Kind.CUT, "h"), "cut", True),
        (failure(Kind.BAD_KEY, "h"), "bad_key", False),
        (failure(Kind.CONTEXT_TOO_LONG, "h"), "context_too_long", False),
        (Retry("no kind"), "Retry", True),
        (ValueError("a bug"), "ValueError", False),
        (JobCancelled("cancel"), "cancelled", False),
    ],
)
def test_what_counts_for_the_breaker_is_the_providers_own_trouble(
    error: BaseException, kind: str, counts: bool
) -> None:
    assert (kind_of(error), is_trouble(error)) == (kind, counts)
