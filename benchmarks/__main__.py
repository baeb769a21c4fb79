"""Runs every case on both databases and prints the medians."""

import json
import logging
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import click
import structlog

from benchmarks import cases, streams
from shared import schema
from shared.database import make_engine
from shared.settings import load_settings
from tests.support.postgres import DURABLE, execute, postgres


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, help="runs of every case; the median is printed")
@click.option("--jobs", default=5000, show_default=True, help="jobs a run")
@click.option("--concurrency", default=100, show_default=True, help="slots of the worker")
@click.option("--streams", "answers", default=200, show_default=True, help="answers that are streamed at a time")
@click.option("--only", type=click.Choice(["postgresql", "sqlite"]), help="one database instead of both")
@click.option("--json", "as_json", is_flag=True, help="a document instead of a table")
def main(rounds: int, jobs: int, concurrency: int, answers: int, only: str | None, as_json: bool) -> None:
    """Interleave the databases, so that a busy moment of the machine hits both."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, postgres(DURABLE) as server:
        for number in range(rounds):
            urls = {"postgresql": f"{server.url.rsplit('/', 1)[0]}/bench{number}"}
            urls["sqlite"] = f"sqlite:///{Path(folder) / f'bench{number}.db'}"
            execute(server.url, f"CREATE DATABASE bench{number}")
            for database, url in urls.items():
                if only in (None, database):
                    _run(url, jobs, concurrency, answers, figures[database])
    medians = {
        database: {name: round(statistics.median(values), 2) for name, values in named.items()}
        for database, named in figures.items()
    }
    click.echo(json.dumps(medians, indent=2) if as_json else _table(medians))


def _run(url: str, jobs: int, concurrency: int, answers: int, into: dict[str, list[float]]) -> None:
    settings = load_settings(database_url=url, concurrency=concurrency)
    engine = make_engine(settings)
    schema.upgrade(engine)
    runs: list[Callable[[], cases.Figures]] = [
        lambda: cases.throughput(engine, settings, "noop", jobs),
        lambda: cases.throughput(engine, settings, "writes", jobs // 5),
        lambda: cases.throughput(engine, settings, "logs", jobs // 5),
        lambda: cases.pick_up(engine, settings, 200),
        lambda: streams.streams(engine, settings, answers),
        lambda: cases.enqueue(engine, settings, jobs // 10, jobs * 2),
    ]
    for run in runs:
        for name, value in run().items():
            into[name].append(value)
    engine.dispose()


def _table(medians: dict[str, dict[str, float]]) -> str:
    names = list(dict.fromkeys(name for named in medians.values() for name in named))
    lines = ["".join([f"{'':26}", *(f"{database:>14}" for database in medians)])]
    lines += [
        "".join(
            [f"{name:26}", *(f"{named[name]:14,.2f}" if name in named else f"{'-':>14}" for named in medians.values())]
        )
        for name in names
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
