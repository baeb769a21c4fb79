"""huey on SQLite, durable (`fsync=True`).

python -m benchmarks.peers.huey work FILE JOBS WORKERS
python -m benchmarks.peers.huey pick_up FILE TIMES
"""

import json
import statistics
import sys
import threading
import time

from huey import SqliteHuey
from huey.consumer_options import ConsumerConfig

HUEY = SqliteHuey(filename=sys.argv[2], fsync=True, results=False)
STATE = {"done": 0, "jobs": 0, "began": 0.0}
ENDED = threading.Event()
LOCK = threading.Lock()


@HUEY.task()
def noop() -> None:
    """Counts."""
    STATE["began"] = time.perf_counter()
    with LOCK:
        STATE["done"] += 1
        if STATE["done"] >= STATE["jobs"]:
            ENDED.set()


def work(jobs: int, workers: int) -> dict[str, float]:
    """Run `jobs` jobs."""
    for _ in range(jobs):
        noop()
    STATE["jobs"] = jobs
    consumer = HUEY.create_consumer(**ConsumerConfig(workers=workers, periodic=False).values)
    cpu, began = time.process_time(), time.perf_counter()
    consumer.start()
    assert ENDED.wait(300)
    answer = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    consumer.stop(graceful=True)
    return answer


def pick_up(times: int) -> dict[str, float]:
    """On an idle worker."""
    consumer = HUEY.create_consumer(**ConsumerConfig(workers=1, periodic=False).values)
    consumer.start()
    pause, waited = threading.Event(), []
    pause.wait(1.0)
    for number in range(times):
        ENDED.clear()
        noop()
        committed = time.perf_counter()
        assert ENDED.wait(30)
        waited.append((STATE["began"] - committed) * 1000)
        pause.wait(0.011 + 0.0007 * (number % 29))
    consumer.stop(graceful=True)
    return {"p50": statistics.median(waited), "p99": sorted(waited)[int(times * 0.99) - 1]}


if __name__ == "__main__":
    act, numbers = sys.argv[1], [int(word) for word in sys.argv[3:]]
    print(json.dumps({"work": work, "pick_up": pick_up}[act](*numbers)))
