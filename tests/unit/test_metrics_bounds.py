"""Bounds of the figures: of names that others choose, of what a provider may say, of how long the page waits."""

import threading
from typing import Any

import pytest
from prometheus_client import generate_latest

from bookbot_worker.telemetry import database_figures
from bookbot_worker.telemetry.database_figures import DatabaseFigures, FigureReader
from bookbot_worker.telemetry.gauges import DatabaseGauges
from bookbot_worker.telemetry.metrics import MOST_NAMES, OTHERS, Metrics
from shared.settings import load_settings
from tests.support.scrape import Figures, parse

pytestmark = pytest.mark.unit


def told(metrics: Metrics) -> Figures:
    return parse(generate_latest(metrics.registry).decode())


def call(**more: Any) -> dict[str, Any]:
    return {"status": "done", "latency_ms": 5, "input_tokens": 1, "output_tokens": 1, "cost_usd": None} | more


def test_models_beyond_the_first_hundred_share_a_name() -> None:
    metrics = Metrics()
    for number in range(MOST_NAMES + 5):
        metrics.called(f"model {number}", call())
    metrics.called("model 0", call())
    figures = told(metrics)
    assert figures.get("bookbot_llm_calls_total", model=OTHERS, status="done") == 5
    assert figures.get("bookbot_llm_calls_total", model="model 0", status="done") == 2
    assert len({labels for name, labels in figures.samples if name == "bookbot_llm_calls_total"}) == MOST_NAMES + 1


def test_what_a_provider_says_cannot_break_the_count() -> None:
    metrics = Metrics()
    metrics.called('a "model"\n', call(input_tokens=-5, output_tokens=None, cost_usd=-1.0))
    metrics.called('a "model"\n', call(cost_usd=float("nan"), cost_source="unknown"))
    figures = told(metrics)
    assert figures.get("bookbot_llm_calls_total", model='a "model"\n', status="done") == 2
    assert figures.get("bookbot_llm_tokens_total", model='a "model"\n', kind="input") == 1
    assert figures.get("bookbot_llm_cost_usd_total", model='a "model"\n') is None
    assert figures.get("bookbot_llm_unpriced_calls_total", model='a "model"\n') == 1


def test_job_types_that_are_known_begin_with_zeros() -> None:
    figures = told(Metrics(["demo"]))
    assert figures.get("bookbot_jobs_ended_total", job_type="demo", state="error") == 0
    assert figures.get("bookbot_jobs_postponed_total", job_type="demo", reason="retry") == 0


def queue(ready: int, seconds: float = 0.0) -> dict[str, Any]:
    zeros = ("blocked", "scheduled", "tried_before", "running", "oldest_running_seconds", "orphaned")
    more = {"oldest_orphan_seconds": 0.0, "is_paused": False, "ready": ready, "oldest_ready_seconds": seconds}
    return dict.fromkeys(zeros, 0) | more


def gauges_of(*read: dict[str, dict[str, Any]]) -> list[Figures]:
    """What is shown for each of these queues, one after the other."""
    rest = {"is_capped": False, "workers": {}, "tables": {}, "oldest_transaction_seconds": None}
    now = iter(read)
    metrics = Metrics(others=[DatabaseGauges(lambda: DatabaseFigures({"queues": next(now), **rest}))])
    return [told(metrics) for _ in read]


def test_of_very_many_queues_the_busiest_are_shown_by_name() -> None:
    queues = {f"queue {number}": queue(number, seconds=1000 - number) for number in range(MOST_NAMES + 3)}
    (figures,) = gauges_of(queues)
    assert figures.get("bookbot_queue_ready_jobs", queue="queue 102") == 102
    assert figures.get("bookbot_queue_ready_jobs", queue="queue 2") is None
    assert figures.get("bookbot_queue_ready_jobs", queue=OTHERS) == 0 + 1 + 2
    assert figures.get("bookbot_queue_oldest_ready_seconds", queue=OTHERS) == 1000


def test_a_queue_that_has_become_empty_is_shown_with_zeros() -> None:
    before, after = gauges_of({"default": queue(3)}, {})
    assert before.get("bookbot_queue_ready_jobs", queue="default") == 3
    assert after.get("bookbot_queue_ready_jobs", queue="default") == 0


def test_a_question_that_hangs_is_not_waited_for_nor_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_figures, "PATIENCE", 0.05)
    asked, may_answer = threading.Semaphore(0), threading.Event()
    reader = FigureReader(load_settings(database_url="sqlite:///nowhere.db"), "test")

    def ask() -> dict[str, Any]:
        asked.release()
        may_answer.wait(20)
        return {"queues": {}}

    monkeypatch.setattr(reader, "_ask", ask)
    assert not reader.read().is_up
    assert not reader.read().is_up
    assert asked.acquire(timeout=10)
    assert not asked.acquire(blocking=False)
    monkeypatch.setattr(database_figures, "PATIENCE", 20)
    may_answer.set()
    assert reader.read().is_up
    reader.close()
