"""This worker's row in `workers`: written when it starts, closed when it ends."""

import os
import socket

from sqlalchemy import Engine, insert, update

from shared.models import Worker
from shared.settings import Settings
from shared.version import __version__


def register_worker(engine: Engine, worker_id: str, settings: Settings, job_types: tuple[str, ...]) -> None:
    """Announce this process. A restart registers anew, with another id."""
    row = {
        "worker_id": worker_id,
        "name": settings.worker_name,
        "hostname": socket.gethostname(),
        "pid": os.getpid(),
        "version": __version__,
        "queues": list(settings.queues),
        "job_types": list(job_types),
        "concurrency": settings.concurrency,
        "state": "running",
    }
    with engine.begin() as connection:
        connection.execute(insert(Worker).values(**row))


def mark_worker(engine: Engine, worker_id: str, state: str) -> None:
    """Say what this process does now: "running", "draining" or "stopped"."""
    with engine.begin() as connection:
        connection.execute(update(Worker).where(Worker.worker_id == worker_id).values(state=state))
