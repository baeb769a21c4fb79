"""The peers as contestants. Each is a program of its own (`benchmarks/peers`); what it says is put in our words."""

import threading

from benchmarks.machine import cpu_seconds, most_memory
from benchmarks.place import Figures, Place

PEERS = "benchmarks.peers"


def work(place: Place, peer: str, jobs: int, *options: int) -> Figures:
    """Jobs a second of one worker, as the peer itself counts."""
    said = place.answer(place.child(f"{PEERS}.{peer}", "work", jobs, *options))
    return {"jobs/s": jobs / said["seconds"], "worker µs/job": said["cpu"] / jobs * 1e6}


def huey(place: Place, jobs: int, workers: int) -> Figures:
    """The same on a file."""
    said = place.answer(place.child(f"{PEERS}.huey", "work", place.folder / "huey.db", jobs, workers))
    return {"jobs/s": jobs / said["seconds"], "worker µs/job": said["cpu"] / jobs * 1e6}


def enqueue(place: Place, peer: str, single: int, bulk: int) -> Figures:
    """Jobs enqueued a second."""
    said = place.answer(place.child(f"{PEERS}.{peer}", "enqueue", single, bulk))
    return {"single/s": said["single"], "bulk/s": said["bulk"]}


def pick_up(place: Place, peer: str, times: int) -> Figures:
    """Milliseconds from the commit to the job's first line."""
    file = [place.folder / "huey.db"] if peer == "huey" else []
    said = place.answer(place.child(f"{PEERS}.{peer}", "pick_up", *file, times))
    return {"p50 ms": said["p50"], "p99 ms": said["p99"]}


def sleeps(place: Place, peer: str, jobs: int, at_once: int) -> Figures:
    """Jobs of one second, so many at a time."""
    process = place.child(f"{PEERS}.{peer}", "sleep", jobs, at_once)
    most, ended = 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not ended.wait(0.1):
            most = max(most, _sessions(place))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        said = place.answer(process)
    finally:
        ended.set()
        watcher.join()
    return {"s": said["seconds"], "RSS MB": said["memory"], "sessions": most}


def idle(place: Place, peer: str, seconds: float) -> Figures:
    """A worker that waits; for 60 s."""
    process = place.child(f"{PEERS}.{peer}", "idle")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    threading.Event().wait(3.0)
    query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    cpu, transactions = cpu_seconds(process.pid), place.query(query)
    threading.Event().wait(seconds)
    cpu, transactions = cpu_seconds(process.pid) - cpu, place.query(query) - transactions - 1
    minute = 60 / seconds
    return {
        "transactions/min": transactions * minute,
        "CPU s/min": cpu * minute,
        "RSS MB": most_memory(process.pid),
        "sessions": _sessions(place),
    }


def _sessions(place: Place) -> int:
    """All but the one that asks."""
    return int(
        place.query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
