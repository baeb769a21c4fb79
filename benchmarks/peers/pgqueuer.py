"""pgqueuer on asyncpg.

python -m benchmarks.peers.pgqueuer work JOBS BATCH       enqueue, then run them all: seconds, CPU
python -m benchmarks.peers.pgqueuer enqueue SINGLE BULK   jobs a second
python -m benchmarks.peers.pgqueuer sleep JOBS BATCH      jobs of one second, two batches at a time
python -m benchmarks.peers.pgqueuer pick_up TIMES         milliseconds from the commit to the job's first line
python -m benchmarks.peers.pgqueuer idle                  until it is killed
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

AT_ONCE = 1000


async def connected() -> Queries:
    """Its queries, on a connection of their own."""
    return Queries(AsyncpgDriver(await asyncpg.connect(os.environ["DATABASE_URL"])))


async def put(queries: Queries, jobs: int) -> None:
    """Enqueue so many, a thousand at a time."""
    for first in range(0, jobs, AT_ONCE):
        count = min(AT_ONCE, jobs - first)
        await queries.enqueue(["job"] * count, [None] * count, [0] * count)


async def work(jobs: int, batch: int, seconds: float = 0.0) -> dict[str, float]:
    """Run `jobs` jobs; the clock ends with the last of them, before its end is stored."""
    queries = await connected()
    await queries.install()
    await put(queries, jobs)
    manager = QueueManager(queries)
    done, ended = 0, 0.0

    @manager.entrypoint("job")
    async def job(_: Job) -> None:
        nonlocal done, ended
        if seconds:
            await asyncio.sleep(seconds)
        done += 1
        if done == jobs:
            ended = time.perf_counter()
            manager.shutdown.set()

    cpu, began = time.process_time(), time.perf_counter()
    at_once = 2 * batch if seconds else None
    await manager.run(batch_size=batch, dequeue_timeout=timedelta(seconds=1), max_concurrent_tasks=at_once)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"seconds": ended - began, "cpu": time.process_time() - cpu, "memory": memory}


async def enqueue(single: int, bulk: int) -> dict[str, float]:
    """One a transaction, then a thousand."""
    queries = await connected()
    await queries.install()
    began = time.perf_counter()
    for _ in range(single):
        await queries.enqueue("job", None, 0)
    alone = single / (time.perf_counter() - began)
    began = time.perf_counter()
    await put(queries, bulk)
    return {"single": alone, "bulk": bulk / (time.perf_counter() - began)}


async def pick_up(times: int) -> dict[str, float]:
    """On an idle worker in the same process, as its own benchmark does it."""
    queries, other = await connected(), await connected()
    await queries.install()
    manager = QueueManager(queries)
    began: asyncio.Queue[float] = asyncio.Queue()

    @manager.entrypoint("job")
    async def job(_: Job) -> None:
        began.put_nowait(time.perf_counter())

    running = asyncio.create_task(manager.run(batch_size=10, dequeue_timeout=timedelta(seconds=1)))
    await asyncio.sleep(1.0)
    waited = []
    for number in range(times):
        await other.enqueue("job", None, 0)
        committed = time.perf_counter()
        waited.append((await began.get() - committed) * 1000)
        await asyncio.sleep(0.011 + 0.0007 * (number % 29))
    manager.shutdown.set()
    await running
    return {"p50": statistics.median(waited), "p99": sorted(waited)[int(times * 0.99) - 1]}


async def idle() -> dict[str, float]:
    """Wait for jobs that never come."""
    queries = await connected()
    await queries.install()
    manager = QueueManager(queries)

    @manager.entrypoint("job")
    async def job(_: Job) -> None:
        pass

    print("ready", flush=True)
    await manager.run(batch_size=10, dequeue_timeout=timedelta(seconds=1))
    return {}


def main() -> None:
    """The answer is one line of JSON."""
    acts: dict[str, Any] = {"work": work, "enqueue": enqueue, "pick_up": pick_up, "idle": idle}
    act, *numbers = sys.argv[1:]
    arguments = [int(number) for number in numbers]
    answer = asyncio.run(work(*arguments, 1.0) if act == "sleep" else acts[act](*arguments))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
