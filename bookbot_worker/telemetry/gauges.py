"""What a worker is at the moment, and what it sees in the database: read when somebody asks for the figures.

Owns the names of these gauges; docs/metrics.md lists them. Those about the database are the same from every worker.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

from bookbot_worker.condition import Condition
from bookbot_worker.telemetry.database_figures import DatabaseFigures
from bookbot_worker.telemetry.metrics import MOST_NAMES, OTHERS
from shared.version import __version__

_QUEUE_GAUGES: Mapping[str, tuple[str, str]] = {
    "ready": ("bookbot_queue_ready_jobs", "Jobs that are due and wait for a slot or a lock."),
    "blocked": ("bookbot_queue_blocked_jobs", "Jobs that wait for other jobs."),
    "scheduled": ("bookbot_queue_scheduled_jobs", "Jobs that wait for their time."),
    "tried_before": ("bookbot_queue_tried_before_jobs", "Waiting jobs that were started before."),
    "oldest_ready_seconds": ("bookbot_queue_oldest_ready_seconds", "How long the first of the ready jobs has waited."),
    "running": ("bookbot_queue_running_jobs", "Jobs that run."),
    "oldest_running_seconds": ("bookbot_queue_oldest_running_seconds", "How long the longest running job runs."),
    "orphaned": ("bookbot_queue_orphaned_jobs", "Running jobs whose worker has no lease."),
    "oldest_orphan_seconds": ("bookbot_queue_oldest_orphan_seconds", "How long the first of these has none."),
    "is_paused": ("bookbot_queue_paused", "1 where the queue is paused."),
}  # fmt: skip
"""Figure of a queue, as the view calls it, to the name and meaning of its gauge."""


class WorkerGauges(Collector):
    """This worker. `pools` are its engines, by what they are for."""

    def __init__(self, identity: Mapping[str, str], condition: Condition, pools: Mapping[str, Engine]) -> None:
        self._identity = {**identity, "version": __version__}
        self._condition = condition
        self._pools = pools

    def describe(self) -> list[Metric]:
        """Nothing in advance: the names are this module's own."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the condition and the pools."""
        condition = self._condition
        silent = condition.lease.silent_for
        yield InfoMetricFamily("bookbot_worker", "Which worker answers.", value=self._identity)
        is_ready = condition.why_not_ready() is None
        yield GaugeMetricFamily("bookbot_worker_ready", "1 while it takes jobs, as /readyz says.", value=is_ready)
        state = GaugeMetricFamily("bookbot_worker_state", "1 for the state it is in.", labels=["state"])
        for name in ("running", "paused", "draining"):
            state.add_metric([name], float(condition.state == name))
        yield state
        yield GaugeMetricFamily("bookbot_worker_slots", "Jobs it runs at a time.", value=condition.slots)
        yield GaugeMetricFamily("bookbot_worker_slots_busy", "Slots in use, leaked ones too.", value=condition.busy)
        yield GaugeMetricFamily(
            "bookbot_worker_slots_leaked", "Slots lost to a job that does not stop.", value=condition.leaked
        )
        yield GaugeMetricFamily(
            "bookbot_worker_last_beat_age_seconds", "Since the last beat that reached the database.", value=silent
        )
        yield from self._connections()

    def _connections(self) -> Iterator[Metric]:
        most = GaugeMetricFamily("bookbot_worker_pool_size", "Connections a pool may hold.", labels=["pool"])
        now = GaugeMetricFamily(
            "bookbot_worker_pool_connections", "Connections, in use and idle.", labels=["pool", "state"]
        )
        for name, engine in self._pools.items():
            pool = engine.pool
            if isinstance(pool, QueuePool):
                most.add_metric([name], pool.size() + pool._max_overflow)
                now.add_metric([name, "in_use"], pool.checkedout())
                now.add_metric([name, "idle"], pool.checkedin())
        yield most
        yield now


class DatabaseGauges(Collector):
    """The database, through the figures that are read every few seconds at most."""

    def __init__(self, read: Callable[[], DatabaseFigures]) -> None:
        self._read = read
        self._empty: dict[str, dict[str, Any]] = {}

    def describe(self) -> list[Metric]:
        """Nothing in advance, least of all a question to the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What was read; of a database that is away, only that it is."""
        read = self._read()
        yield GaugeMetricFamily(
            "bookbot_database_up",
            "1 where the database has answered the questions for these figures.",
            value=read.is_up,
        )
        figures = read.figures
        if figures is None:
            return
        yield GaugeMetricFamily(
            "bookbot_database_figures_age_seconds", "How long ago they were read.", value=read.age_seconds
        )
        queues = self._empty | figures["queues"]
        yield from _of_queues(queues)
        if len(queues) <= MOST_NAMES:  # a queue that has become empty is shown with zeros, not left out
            self._empty = {name: dict.fromkeys(_QUEUE_GAUGES, 0) for name in queues}
        yield GaugeMetricFamily(
            "bookbot_queue_figures_capped", "1 where more jobs wait than are counted.", value=figures["is_capped"]
        )
        workers = GaugeMetricFamily("bookbot_workers", "Live workers of this database.", labels=["state"])
        for state, count in figures["workers"].items():
            workers.add_metric([state], count)
        yield workers
        yield from _of_server(figures)


def _of_queues(queues: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """One gauge for each figure; of very many queues the busiest by name, the others together."""
    busiest = sorted(queues, key=lambda name: queues[name]["ready"] + queues[name]["running"], reverse=True)
    kept, rest = busiest[:MOST_NAMES], busiest[MOST_NAMES:]
    for figure, (metric, meaning) in _QUEUE_GAUGES.items():
        gauge = GaugeMetricFamily(metric, meaning, labels=["queue"])
        for name in kept:
            gauge.add_metric([name], queues[name][figure])
        if rest:
            together = max if metric.endswith("_seconds") else sum
            gauge.add_metric([OTHERS], together(queues[name][figure] for name in rest))
        yield gauge


def _of_server(figures: Mapping[str, Any]) -> Iterator[Metric]:
    if figures["oldest_transaction_seconds"] is None:
        return
    rows = GaugeMetricFamily(
        "bookbot_database_rows", "Rows of a table, as the server estimates them.", labels=["table", "kind"]
    )
    for name, counts in sorted(figures["tables"].items()):
        for kind, count in counts.items():
            rows.add_metric([name, kind], count)
    yield rows
    yield GaugeMetricFamily(
        "bookbot_database_oldest_transaction_seconds",
        "How long the oldest transaction has been open.",
        value=figures["oldest_transaction_seconds"],
    )
