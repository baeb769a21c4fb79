"""procrastinate on psycopg. The same words as `benchmarks.peers.pgqueuer`."""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from typing import Any

from procrastinate import App, PsycopgConnector

APP = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))
BEGAN: "asyncio.Queue[float]" = asyncio.Queue()


@APP.task(name="noop")
async def noop() -> None:
    """Nothing."""


@APP.task(name="sleeps")
async def sleeps() -> None:
    """One second."""
    await asyncio.sleep(1)


@APP.task(name="clocked")
async def clocked() -> None:
    """When it began."""
    BEGAN.put_nowait(time.perf_counter())


async def put(task: Any, jobs: int) -> None:
    """Enqueue so many, a thousand at a time."""
    for first in range(0, jobs, 1000):
        await task.batch_defer_async(*({} for _ in range(min(1000, jobs - first))))


async def work(jobs: int, at_once: int, task: Any = noop) -> dict[str, float]:
    """Run `jobs` jobs; the clock ends when the worker finds nothing more."""
    await APP.schema_manager.apply_schema_async()
    await put(task, jobs)
    cpu, began = time.process_time(), time.perf_counter()
    await APP.run_worker_async(concurrency=at_once, wait=False, install_signal_handlers=False)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "memory": memory}


async def enqueue(single: int, bulk: int) -> dict[str, float]:
    """One a transaction, then a thousand."""
    await APP.schema_manager.apply_schema_async()
    began = time.perf_counter()
    for _ in range(single):
        await noop.defer_async()
    alone = single / (time.perf_counter() - began)
    began = time.perf_counter()
    await put(noop, bulk)
    return {"single": alone, "bulk": bulk / (time.perf_counter() - began)}


async def pick_up(times: int) -> dict[str, float]:
    """On an idle worker in the same process."""
    await APP.schema_manager.apply_schema_async()
    running = asyncio.create_task(APP.run_worker_async(install_signal_handlers=False))
    await asyncio.sleep(1.0)
    waited = []
    for number in range(times):
        await clocked.defer_async()
        committed = time.perf_counter()
        waited.append((await BEGAN.get() - committed) * 1000)
        await asyncio.sleep(0.011 + 0.0007 * (number % 29))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return {"p50": statistics.median(waited), "p99": sorted(waited)[int(times * 0.99) - 1]}


async def idle() -> dict[str, float]:
    """Wait for jobs that never come."""
    await APP.schema_manager.apply_schema_async()
    print("ready", flush=True)
    await APP.run_worker_async(install_signal_handlers=False)
    return {}


async def run() -> dict[str, float]:
    """What the command line asks for."""
    acts: dict[str, Any] = {"work": work, "enqueue": enqueue, "pick_up": pick_up, "idle": idle}
    act, *numbers = sys.argv[1:]
    arguments = [int(number) for number in numbers]
    async with APP.open_async():
        answer: dict[str, float] = await (work(*arguments, sleeps) if act == "sleep" else acts[act](*arguments))
        return answer


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run())))
