"""The cases and who takes part in each. A contestant is given a place and returns its figures by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import limit, others, ours, strain
from benchmarks.place import Figures, Place
from benchmarks.streams import streams
from shared.database import make_engine

Contestant = Callable[[Place], Figures]


@dataclass(frozen=True)
class Case:
    """What is measured. The first contestant is this project; ratios are to the others, by the figure `counts`."""

    name: str
    title: str
    counts: str
    contestants: Mapping[str, Contestant]
    is_rate: bool = True


def _streams(place: Place) -> Figures:
    settings = place.migrated()
    engine = make_engine(settings)
    try:
        return streams(engine, settings, place.count(200))
    finally:
        engine.dispose()


CASES = (
    Case(
        "noop",
        "jobs that do nothing, one worker, best settings",
        "jobs/s",
        {
            "bookbot, 200 slots": lambda p: ours.work(p, "noop", p.count(20_000), 200),
            "pgqueuer, batch 100": lambda p: others.work(p, "pgqueuer", p.count(20_000), 100),
            "bookbot, 100 slots": lambda p: ours.work(p, "noop", p.count(20_000), 100),
            "procrastinate, 100": lambda p: others.work(p, "procrastinate", p.count(1_500), 100),
            "pgbench, 8 clients": lambda p: limit.pgbench(p, p.count(8_000), 8, writes=False),
        },
    ),
    Case(
        "defaults",
        "the same, default settings",
        "jobs/s",
        {
            "bookbot, 10 slots": lambda p: ours.work(p, "noop", p.count(10_000), 10),
            "pgqueuer, batch 10": lambda p: others.work(p, "pgqueuer", p.count(10_000), 10),
            "procrastinate, 1": lambda p: others.work(p, "procrastinate", p.count(1_000), 1),
        },
    ),
    Case(
        "workers",
        "two workers on one queue",
        "jobs/s",
        {
            "bookbot, 2 workers": lambda p: ours.work(p, "noop", p.count(30_000), 200, workers=2),
            "bookbot, 1 worker": lambda p: ours.work(p, "noop", p.count(30_000), 200),
        },
    ),
    Case(
        "writes",
        "jobs that write one row each, settled alone, three connections",
        "jobs/s",
        {
            "bookbot, 100 slots": lambda p: ours.work(p, "writes", p.count(4_000), 100),
            "pgbench, 3 clients": lambda p: limit.pgbench(p, p.count(8_000), 3, writes=True),
        },
    ),
    Case(
        "reads",
        "jobs that only read",
        "jobs/s",
        {"bookbot, 100 slots": lambda p: ours.work(p, "reads", p.count(10_000), 100)},
    ),
    Case(
        "sqlite",
        "jobs that do nothing, on SQLite with synchronous=FULL",
        "jobs/s",
        {
            "bookbot, 100 slots": lambda p: ours.work(p.on_sqlite(), "noop", p.count(10_000), 100),
            "huey, 4 workers": lambda p: others.huey(p, p.count(5_000), 4),
            "bookbot, 10 slots": lambda p: ours.work(p.on_sqlite(), "noop", p.count(10_000), 10),
        },
    ),
    Case(
        "enqueue",
        "enqueue one a transaction, and a thousand",
        "bulk/s",
        {
            "bookbot": lambda p: ours.enqueue(p, p.count(2_000), p.count(50_000, 5_000)),
            "pgqueuer": lambda p: others.enqueue(p, "pgqueuer", p.count(2_000), p.count(50_000, 5_000)),
            "procrastinate": lambda p: others.enqueue(p, "procrastinate", p.count(1_000), p.count(20_000, 5_000)),
        },
    ),
    Case(
        "pick-up",
        "from the commit of an enqueue to the job's first line, idle worker",
        "p50 ms",
        {
            "bookbot": lambda p: ours.pick_up(p, p.count(300)),
            "pgqueuer": lambda p: others.pick_up(p, "pgqueuer", p.count(300)),
            "procrastinate": lambda p: others.pick_up(p, "procrastinate", p.count(300)),
            "bookbot on SQLite": lambda p: ours.pick_up(p.on_sqlite(), p.count(300)),
            "huey on SQLite": lambda p: others.pick_up(p, "huey", p.count(300)),
        },
        is_rate=False,
    ),
    Case(
        "sleeps",
        "500 jobs of one second, 100 at a time",
        "s",
        {
            "bookbot": lambda p: strain.sleeps(p, 500, 100),
            "pgqueuer": lambda p: others.sleeps(p, "pgqueuer", 500, 50),
            "procrastinate": lambda p: others.sleeps(p, "procrastinate", 500, 100),
        },
        is_rate=False,
    ),
    Case("streams", "200 answers streamed at a time", "200 streams CPU %", {"bookbot": _streams}, is_rate=False),
    Case(
        "history",
        "a million finished jobs beside an empty table",
        "jobs/s",
        {
            "bookbot, 1,000,000 finished": lambda p: strain.history(p, p.count(20_000), p.count(1_000_000)),
            "bookbot, empty": lambda p: ours.work(p, "noop", p.count(20_000), 200),
        },
    ),
    Case(
        "snapshot",
        "claims of ten with 100,000 waiting, beside a snapshot that kept 50,000 jobs' dead rows",
        "claim p99 ms",
        {"bookbot": lambda p: strain.snapshot(p, p.count(100_000), p.count(50_000))},
        is_rate=False,
    ),
    Case(
        "fairness",
        "claims of ten behind 1,000 jobs whose books are held",
        "claim p50 ms",
        {"bookbot": lambda p: strain.fairness(p, p.count(1_000))},
        is_rate=False,
    ),
    Case(
        "idle",
        "a worker that waits for a minute",
        "CPU s/min",
        {
            "bookbot": lambda p: strain.idle(p, max(60 * p.size, 10)),
            "pgqueuer": lambda p: others.idle(p, "pgqueuer", max(60 * p.size, 10)),
            "procrastinate": lambda p: others.idle(p, "procrastinate", max(60 * p.size, 10)),
        },
        is_rate=False,
    ),
    Case(
        "start",
        "from the start to the first claim",
        "s to first claim",
        {"bookbot": ours.start},
        is_rate=False,
    ),
    Case(
        "logs",
        "jobs of a hundred log lines",
        "lines/s",
        {"bookbot, 10 slots": lambda p: strain.logs(p, p.count(600))},
    ),
)
