"""Many viewers of one job on one web process: how late they learn of a line, and what the process costs.

    python -m benchmarks.viewers [--viewers 1000] [--dead 200] [--lines 60] [--only postgresql]

The web process is real; the viewers are sockets of this process, which also plays the worker: it writes a line and
notes when. Each case is run without and with `dead` further clients that never read a log of 12 MB. What counts is the
ratio between the two, on the same machine.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Engine, insert, text, update
from sqlalchemy.orm import Session

from benchmarks.cases import Figures
from benchmarks.streams import cpu_seconds, most_memory
from bookbot_web.server import allow_many_connections
from shared import schema
from shared.clock import db_now
from shared.database import make_engine
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Job, JobLog
from shared.settings import load_settings
from tests.support.postgres import DURABLE, execute, free_port, postgres

PAUSE_SECONDS = 0.25
"""Between two lines."""


@click.command(help=__doc__)
@click.option("--viewers", default=1000, show_default=True)
@click.option("--dead", default=200, show_default=True, help="clients that never read")
@click.option("--lines", default=60, show_default=True, help="lines that are written, one every quarter of a second")
@click.option("--only", type=click.Choice(["postgresql", "sqlite"]), help="one database instead of both")
def main(viewers: int, dead: int, lines: int, only: str | None) -> None:
    """Run the cases and print their figures as JSON."""
    allow_many_connections()
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as folder, postgres(DURABLE) as server:
        execute(server.url, "CREATE DATABASE viewers")
        urls = {
            "postgresql": f"{server.url.rsplit('/', 1)[0]}/viewers",
            "sqlite": f"sqlite:///{Path(folder) / 'viewers.db'}",
        }
        for name, url in urls.items():
            if only in (None, name):
                engine = make_engine(load_settings(database_url=url))
                schema.upgrade(engine)
                for silent in (0, dead):
                    found[f"{name}, {viewers} viewers, {silent} dead"] = _case(engine, url, viewers, silent, lines)
                engine.dispose()
    click.echo(json.dumps(found, indent=2))


def _case(engine: Engine, url: str, viewers: int, dead: int, lines: int) -> Figures:
    job_id, claim_id = _running_job(engine)
    noisy, its_claim = _running_job(engine)
    _write(engine, noisy, its_claim, range(1, 1501), "x" * 8000)
    with _server(url) as (port, process), _silent(port, noisy, dead):
        cpu, began = cpu_seconds(process.pid), time.monotonic()
        delays = asyncio.run(_watch(engine, port, job_id, claim_id, viewers, lines))
        cpu, took = cpu_seconds(process.pid) - cpu, time.monotonic() - began
        figures = {
            "told": float(len(delays)),
            "missing": float(viewers * lines - len(delays)),
            "median delay ms": statistics.median(delays) * 1000,
            "p95 delay ms": statistics.quantiles(delays, n=20)[-1] * 1000,
            "RSS MB": most_memory(process.pid) / 1e6,
            "CPU %": cpu / took * 100,
        }
        if engine.dialect.name == "postgresql":
            query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bookbot-web-tail'")
            with engine.connect() as connection:
                figures["connections of the tail"] = float(connection.scalar(query) or 0)
    return {name: round(value, 1) for name, value in figures.items()}


async def _watch(engine: Engine, port: int, job_id: str, claim_id: str, viewers: int, lines: int) -> list[float]:
    """How late each viewer was told of each line, in seconds."""
    is_open = [asyncio.Event() for _ in range(viewers)]
    tasks = []
    for opened in is_open:
        tasks.append(asyncio.ensure_future(_view(port, job_id, lines, opened)))
        if len(tasks) % 50 == 0:
            await asyncio.gather(*(one.wait() for one in is_open[: len(tasks)]))
    await asyncio.gather(*(opened.wait() for opened in is_open))
    for seq in range(1, lines + 1):
        await asyncio.to_thread(_write, engine, job_id, claim_id, range(seq, seq + 1), None)
        await asyncio.sleep(PAUSE_SECONDS)
    done, late = await asyncio.wait(tasks, timeout=30)
    for task in late:
        task.cancel()
    return [delay for task in done for delay in task.result()]


async def _view(port: int, job_id: str, lines: int, opened: asyncio.Event) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    delays: list[float] = []
    while len(delays) < lines:
        row = await reader.readline()
        if row.startswith(b"event: state"):
            opened.set()
        if row.startswith(b"data: ["):
            now = time.time()
            delays += [now - float(line["message"]) for line in json.loads(row[6:])]
    writer.close()
    return delays


def _running_job(engine: Engine) -> tuple[str, str]:
    with Session(engine) as session, session.begin():
        job_id, claim_id = create_job(job_type="demo", session=session).job_id, new_id()
        session.flush()
        values = {"state": "running", "worker_id": new_id(), "claim_id": claim_id, "attempt": 1, "started_at": db_now()}
        session.execute(update(Job).where(Job.job_id == job_id).values(**values))
    return job_id, claim_id


def _write(engine: Engine, job_id: str, claim_id: str, seqs: range, message: str | None) -> None:
    """Lines of a job; without a message each says when it was written."""
    with engine.begin() as connection:
        now = connection.scalar(db_now().select())
        same = {"job_id": job_id, "attempt": 1, "claim_id": claim_id, "level": "INFO", "props": None, "created_at": now}
        rows = [same | {"seq": seq, "message": message or repr(time.time())} for seq in seqs]
        connection.execute(insert(JobLog), rows)


@contextmanager
def _server(url: str) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = free_port()
    words = [sys.executable, "-m", "bookbot_web", "--port", str(port)]
    environment = os.environ | {"DATABASE_URL": url, "BOOKBOT_WEB_STREAMS": "5000"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, env=environment, stdout=quiet, stderr=quiet) as process:
        pause = threading.Event()
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=10).close()
                    break
                except OSError:
                    pause.wait(0.1)
            yield port, process
        finally:
            process.kill()


@contextmanager
def _silent(port: int, job_id: str, count: int) -> Iterator[None]:
    """Clients that ask for everything and read nothing."""
    clients = []
    for _ in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        clients.append(client)
    try:
        yield
    finally:
        for client in clients:
            client.close()


if __name__ == "__main__":
    main()
