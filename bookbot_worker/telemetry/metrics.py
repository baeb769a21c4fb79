"""What a worker counts about its own work since it started, in the form Prometheus reads.

Owns the registry and the names of the counters; docs/metrics.md lists them. No label holds what grows without bound:
no job, no book, and of names that callers choose (queues, models) only the first hundred.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.registry import Collector

from bookbot_worker.meter import Meter
from bookbot_worker.outcomes import Cancelled, Completed, Errored, Failed, Outcome, Postponed
from shared.models import Job
from shared.states import JobState

DURATIONS = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600, 7200)
"""Bounds in seconds: from jobs that only read to the longest book."""

WAITS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)

MOST_NAMES = 100
"""Names of one kind that get a series of their own; the rest share OTHERS."""

OTHERS = "(others)"

REASONS = ("retry", "snooze", "awaits", "interruption")
"""Why a job waits again, see `why_postponed`."""

_STATES: dict[type[Any], str] = {
    Completed: JobState.COMPLETED.value,
    Failed: JobState.FAILED.value,
    Errored: JobState.ERROR.value,
    Cancelled: JobState.CANCELLED.value,
}


class Names:
    """Keeps the number of a label's values within bounds."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._most = most
        self._known: set[str] = set()

    def known(self, name: str) -> str:
        """`name`, or OTHERS where there are too many already."""
        if name not in self._known:
            if len(self._known) >= self._most:
                return OTHERS
            self._known.add(name)
        return name


class Metrics(Meter):
    """Counts; `registry` is its own, so that two workers in one process, or a test, do not share figures."""

    def __init__(self, job_types: Sequence[str] = (), others: Sequence[Collector] = ()) -> None:
        """`job_types`: those that begin with zeros. `others`: what else is on the page, read when somebody asks."""
        self.registry = registry = CollectorRegistry()
        for collector in others:
            registry.register(collector)
        by_type = ["job_type"]
        self._queues, self._models = Names(), Names()
        self._waits = Histogram(
            "bookbot_job_wait_seconds",
            "From when a job was due to its claim by this worker.",
            ["queue"],
            buckets=WAITS,
            registry=registry,
        )
        self._durations = Histogram(
            "bookbot_job_duration_seconds",
            "From the claim of an attempt to its settling.",
            by_type,
            buckets=DURATIONS,
            registry=registry,
        )
        self._ended = Counter(
            "bookbot_jobs_ended", "Jobs this worker has brought to an end.", [*by_type, "state"], registry=registry
        )
        self._postponed = Counter(
            "bookbot_jobs_postponed",
            "Attempts after which the job went back to waiting.",
            [*by_type, "reason"],
            registry=registry,
        )
        self._lost = Counter("bookbot_jobs_lost_claims", "Attempts that had lost their claim.", registry=registry)
        self._rescued = Counter(
            "bookbot_jobs_rescued", "Jobs this worker took from dead ones.", ["fate"], registry=registry
        )
        self._lines = Counter("bookbot_job_log_lines", "Lines that jobs have logged.", registry=registry)
        self._calls = Counter("bookbot_llm_calls", "Calls to a model.", ["model", "status"], registry=registry)
        self._latency = Histogram(
            "bookbot_llm_call_duration_seconds",
            "From request to answer or failure.",
            ["model"],
            buckets=DURATIONS,
            registry=registry,
        )
        self._tokens = Counter("bookbot_llm_tokens", "Tokens sent and received.", ["model", "kind"], registry=registry)
        self._cost = Counter(
            "bookbot_llm_cost_usd", "What calls cost, where it is known.", ["model"], registry=registry
        )
        self._unpriced = Counter(
            "bookbot_llm_unpriced_calls", "Answers nobody knows the price of.", ["model"], registry=registry
        )
        self._beats_missed = Counter(
            "bookbot_worker_beats_missed", "Beats that did not reach the database.", registry=registry
        )
        self._failures = Counter(
            "bookbot_worker_database_failures", "Turns of the loop the database did not serve.", registry=registry
        )
        self._outages = Counter("bookbot_worker_database_outages", "Times the database went away.", registry=registry)

        # `labels` looks for its series at every call; with these a job costs 3.5 µs, not 6.
        self._wait_of = lru_cache(maxsize=1000)(lambda queue: self._waits.labels(self._queues.known(queue)))
        self._duration_of = cache(self._durations.labels)
        self._ended_of = cache(self._ended.labels)
        for name in job_types:
            for state in _STATES.values():
                self._ended.labels(name, state)
            for reason in REASONS:
                self._postponed.labels(name, reason)

    def claimed(self, jobs: Sequence[Job]) -> None:
        """Observe how long each waited after it was due, by the database's clock."""
        for job in jobs:
            due = [at for at in (job.run_at, job.created_at) if at is not None]
            if job.started_at is not None and due:
                waited = (job.started_at - max(due)).total_seconds()
                self._wait_of(job.queue).observe(max(waited, 0.0))

    def ended(self, job_type: str, outcome: Outcome | None, seconds: float, lines: int) -> None:
        """Count the end, or why the job waits again."""
        if lines:
            self._lines.inc(lines)
        if outcome is None:
            self._lost.inc()
            return
        self._duration_of(job_type).observe(seconds)
        if isinstance(outcome, Postponed):
            self._postponed.labels(job_type, why_postponed(outcome)).inc()
        else:
            self._ended_of(job_type, _STATES[type(outcome)]).inc()

    def rescued(self, fate: str) -> None:
        """Count it."""
        self._rescued.labels(fate).inc()

    def called(self, model: str, entry: Mapping[str, Any]) -> None:
        """Count the call, its tokens and its cost."""
        model = self._models.known(model)
        self._calls.labels(model, entry["status"]).inc()
        self._latency.labels(model).observe(entry["latency_ms"] / 1000)
        for kind in ("input", "output"):
            if (tokens := entry.get(f"{kind}_tokens") or 0) > 0:  # a provider may say anything
                self._tokens.labels(model, kind).inc(tokens)
        if (cost := entry.get("cost_usd") or 0.0) > 0:
            self._cost.labels(model).inc(cost)
        if entry.get("cost_source") == "unknown":
            self._unpriced.labels(model).inc()

    def beat_missed(self) -> None:
        """Count it."""
        self._beats_missed.inc()

    def database_failed(self, tries: int) -> None:
        """Count it, and the outage at its beginning."""
        self._failures.inc()
        if tries == 1:
            self._outages.inc()


def why_postponed(outcome: Postponed) -> str:
    """One word for why a job waits again: retry, snooze, awaits (other jobs) or interruption (by the database)."""
    if outcome.is_interruption:
        return "interruption"
    if outcome.awaits:
        return "awaits"
    return "snooze" if outcome.returns_attempt else "retry"
