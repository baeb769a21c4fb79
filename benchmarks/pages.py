"""How long every page takes with a long history: a million jobs on a PostgreSQL of its own.

    python -m benchmarks.pages                 the table: best, median and worst of each page, in milliseconds
    python -m benchmarks.pages --explain       and the plan of each query that reads more than it shows
    python -m benchmarks.pages --jobs 100000   a shorter history

Exit code 1 where a page takes longer than the promise (300 ms, median), or reads a whole table of history.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError
from starlette.testclient import TestClient

from benchmarks.long_history import Landmarks, fill
from bookbot_web import create_app
from shared import schema
from shared.database import make_engine
from shared.settings import load_settings
from tests.support.postgres import FAST, postgres

PROMISED_MS = 300.0
HISTORY = frozenset({"jobs", "job_logs", "llm_calls", "chunks"})
Statement = tuple[str, Any]


def pages(marks: Landmarks) -> dict[str, str]:
    """Name → address: each page, and each filter of the list alone and in the worst company."""
    lists = {
        "jobs": "",
        "jobs, deep in the history": f"before={marks.old_job}",
        **{f"jobs, {state}": f"state={state}" for state in ("waiting", "running", "completed", "failed", "error")},
        "jobs, cancelled": "state=cancelled",
        "jobs, a rare type": "job_type=export_book",
        "jobs, a type there is none of": "job_type=nothing",
        "jobs, a queue there is none of": "queue=nothing",
        "jobs, completed of no queue": "state=completed&queue=nothing",
        "jobs, failed of a type": "state=failed&job_type=generate_chunk",
        "jobs of a book": f"book_id={marks.book}",
        "jobs of a book, errors": f"book_id={marks.book}&state=error",
        "jobs of a parent of 5 000": f"parent_job_id={marks.parent}",
    }
    return {
        "overview, hour": "/",
        "overview, day": "/?window=day",
        **{name: f"/jobs?{query}" for name, query in lists.items()},
        "job, completed": f"/jobs/{marks.job}",
        "job, waiting": f"/jobs/{marks.waiting}",
        "job with 10 000 lines": f"/jobs/{marks.long_log}",
        "job with 5 000 children": f"/jobs/{marks.parent}",
        "log of 10 000 lines, searched": f"/jobs/{marks.long_log}/log?q=line+77&level=INFO",
        "bulk: cancel all": "/jobs/bulk?action=cancel-all",
        "bulk: retry all of a type": "/jobs/bulk?action=retry-all&job_type=generate_chunk",
        "bulk: retry completed of no queue": "/jobs/bulk?action=retry-all&state=completed&queue=nothing",
        "books": "/books",
        "book": f"/books/{marks.book}",
        "book: a form": f"/books/{marks.book}/start/generate_book",
        "workers": "/workers",
        "schedules": "/schedules",
        "settings": "/settings",
        "api: jobs": "/api/jobs?limit=50",
        "api: jobs, a rare type": "/api/jobs?job_type=export_book",
        "api: jobs, a queue there is none of": "/api/jobs?queue=nothing",
        "api: books": "/api/books",
        "api: job": f"/api/jobs/{marks.job}",
        **marks.more_pages,
    }


@click.command(help=__doc__)
@click.option("--jobs", default=1_000_000, show_default=True, help="jobs in the table")
@click.option("--rounds", default=5, show_default=True, help="requests of every page after the first")
@click.option("--explain", is_flag=True, help="show the plans of slow queries")
def main(jobs: int, rounds: int, explain: bool) -> None:
    """Fill, ask, print."""
    with postgres(FAST) as server:
        settings = load_settings(database_url=server.url)
        engine = make_engine(settings.model_copy(update={"database_timeout_seconds": 3600.0}))
        schema.upgrade(engine)
        began = time.monotonic()
        marks = fill(engine, jobs)
        click.echo(f"{jobs} jobs in {time.monotonic() - began:.0f} s\n")
        click.echo(f"{'page':36}{'best ms':>9}{'median':>9}{'worst':>9}  queries")
        is_well = True
        with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client, watched() as statements:
            for name, path in pages(marks).items():
                statements.clear()
                times = [_ask(client, path) for _ in range(rounds + 1)]
                asked = statements[: len(statements) // (rounds + 1)]
                faults, plans = _looked_at(engine, asked)
                median = statistics.median(times[1:])
                is_well &= median <= PROMISED_MS and not faults
                click.echo(f"{name:36}{min(times):9.0f}{median:9.0f}{max(times):9.0f}  {len(asked)}")
                for line in [*faults, *(plans if explain else [])]:
                    click.echo(f"    {line}")
        engine.dispose()
    sys.exit(0 if is_well else 1)


@contextmanager
def watched() -> Iterator[list[Statement]]:
    """Every statement this process sends, while the block runs."""
    sent: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            sent.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


def _ask(client: TestClient, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
    return (time.perf_counter() - began) * 1000


def _looked_at(engine: Engine, statements: list[Statement]) -> tuple[list[str], list[str]]:
    """Queries that read a whole table of history; and the plans of those that take over 20 ms."""
    faults, plans = [], []
    for statement, parameters in statements:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET jit = off")  # as the web reads
            try:
                plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar()
            except SQLAlchemyError:
                continue  # a question to the driver itself
        top = (json.loads(plan) if isinstance(plan, str) else plan)[0]
        nodes = list(_nodes(top["Plan"]))
        words = " ".join(statement.split())
        if scanned := sorted({node["Relation Name"] for node in nodes if _reads_all(node)}):
            faults.append(f"reads all of {', '.join(scanned)}: {words[:300]}")
        if top["Execution Time"] > 20:
            steps = (f"{node['Node Type']} {node.get('Index Name', node.get('Relation Name', ''))}" for node in nodes)
            plans.append(f"{top['Execution Time']:.0f} ms: {words[:200]} … {' < '.join(dict.fromkeys(steps))}")
    return faults, plans


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


def _reads_all(node: dict[str, Any]) -> bool:
    """A scan of a whole table that was carried out and went on for long."""
    is_scan = node["Node Type"] in ("Seq Scan", "Parallel Seq Scan") and node["Relation Name"] in HISTORY
    read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return is_scan and read > 50_000


if __name__ == "__main__":
    main()
