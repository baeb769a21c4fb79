"""Measures this project beside its peers and the limit of the machine, A B A B, and prints medians and ratios."""

import json
import logging
import os
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import click
import psycopg
import structlog

from benchmarks.cases import CASES
from benchmarks.machine import MOST_OTHERS, Watch, describe
from benchmarks.place import place
from benchmarks.report import Runs, table
from tests.support.postgres import DURABLE, postgres

TRIES = 3
"""How often a round may be run in all until it was undisturbed."""

QUICK = 0.1


@click.command(help=__doc__)
@click.option("--case", "names", multiple=True, type=click.Choice([case.name for case in CASES]), help="only this one")
@click.option("--rounds", default=3, show_default=True, help="undisturbed runs of every contestant")
@click.option("--json", "document", type=click.Path(path_type=Path), help="write the figures into this file, too")
@click.option("--quick", is_flag=True, help="a tenth of the jobs, one round: does everything work?")
@click.option("--even-disturbed", is_flag=True, help="keep runs in which others took more than 10 % of the CPU")
def main(names: tuple[str, ...], rounds: int, document: Path | None, quick: bool, even_disturbed: bool) -> None:
    """On a PostgreSQL of its own with durable defaults. Exit code 1 where a contestant had no undisturbed run."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    chosen = [case for case in CASES if not names or case.name in names]
    found, numbers = {}, count()
    with postgres(DURABLE) as server:
        about = {"date": datetime.now(UTC).date().isoformat(), "machine": describe(), "server": _version(server.url)}
        click.echo(" · ".join(about.values()))
        for case in chosen:
            runs = Runs(case)
            for _ in range(1 if quick else rounds):
                _round(runs, server.url, numbers, QUICK if quick else 1.0, 1 if even_disturbed else TRIES)
            found[case.name] = runs.document(even_disturbed=even_disturbed)
            click.echo(table(case, found[case.name]))
    if document is not None:
        document.write_text(json.dumps(about | {"cases": found}, indent=2, ensure_ascii=False), encoding="utf-8")
    missing = [name for name, one in found.items() if not all(one["medians"].values())]
    if missing:
        raise click.ClickException(
            f"the machine was busy (others above {MOST_OTHERS:.0%}): no undisturbed run in {', '.join(missing)}"
        )


def _round(runs: Runs, server_url: str, numbers: "count[int]", size: float, tries: int) -> None:
    """Every contestant once, in turn; again, up to so many tries, where others disturbed it."""
    for name, contestant in runs.case.contestants.items():
        for _ in range(tries):
            server_pid = _server_pid(server_url)
            with place(server_url, server_pid, next(numbers), size) as here:
                watch = Watch((os.getpid(), server_pid)).begin()
                figures = contestant(here)
                others = watch.others()
            runs.add(name, figures, others)
            if others <= MOST_OTHERS:
                break


def _version(url: str) -> str:
    with psycopg.connect(url) as connection:
        return f"PostgreSQL {connection.info.server_version // 10000}.{connection.info.server_version % 10000}"


def _server_pid(url: str) -> int:
    """The postmaster's: the parent of the process that serves us. 0 where it is none of this machine's."""
    with psycopg.connect(url) as connection:
        status = Path(f"/proc/{connection.info.backend_pid}/status")
        lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines()) if status.exists() else {}
    return int(lines["PPid"]) if lines.get("Name") == "postgres" else 0


if __name__ == "__main__":
    main()
