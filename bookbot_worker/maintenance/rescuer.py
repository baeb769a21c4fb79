"""The rescuer: looks every few seconds for jobs of workers that are dead. Runs in every worker; none is special."""

from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from bookbot_worker.lease import Lease
from bookbot_worker.maintenance.service import Service
from bookbot_worker.meter import Meter
from bookbot_worker.orphans import Sign, may_rescue, obituary, sign_of_life
from bookbot_worker.process_identity import is_gone
from bookbot_worker.queue.rescue import BATCH, Dead, holders, rescue
from bookbot_worker.queue.sessions import end_sessions
from bookbot_worker.queue.workers import forget_ended_workers, silent_workers

log = structlog.get_logger()

FORGETS_EVERY = 1000
"""Turns between two looks for rows of workers that ended long ago."""


class Rescuer(Service):
    """`server_seconds` says how long the database server has been up, None where that means nothing.

    `is_needed`: whether the last beat has seen a worker that may be dead. The database is not asked otherwise.
    """

    name = "rescuer"

    def __init__(
        self,
        engine: Engine,
        worker_id: str,
        lease: Lease,
        interval: float,
        server_seconds: Callable[[], float | None] = lambda: None,
        meter: Meter | None = None,
        is_needed: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(interval)
        self._engine = engine
        self._worker_id = worker_id
        self._lease = lease
        self._server_seconds = server_seconds
        self._meter = meter or Meter()
        self._is_needed = is_needed
        self._turns = 0

    def run_once(self) -> None:
        """Rescue what can be rescued now."""
        if self._is_needed():
            self._look()
        if self._turns % FORGETS_EVERY == 0:
            forget_ended_workers(self._engine)
        self._turns += 1

    def _look(self) -> None:
        dead = self._dead()
        silent = [one.holder.worker_id for one in dead if one.sign is not Sign.STOPPED]
        if self._has_seen_others_beat():
            silent += silent_workers(self._engine)  # one that stands still while it claims keeps rows, but has no job
        if ended := end_sessions(self._engine, silent, self._lease.seconds):
            log.warning("session.ended", sessions=ended)
        while dead:
            rescued = rescue(self._engine, dead)
            for one in rescued:
                self._meter.rescued(one.fate.name.lower())
                log.warning("job.rescued", job_id=one.job_id, worker_id=one.worker_id, fate=one.fate.name.lower())
            dead = dead if len(rescued) == BATCH else []

    def _dead(self) -> list[Dead]:
        has_seen_others_beat = self._has_seen_others_beat()
        found: list[Dead] = []
        for holder in holders(self._engine, but_not=self._worker_id):
            is_process_gone = holder.pid is not None and is_gone(holder.pid, holder.process)
            sign = sign_of_life(holder, is_process_gone=is_process_gone)
            if sign is not Sign.ALIVE and may_rescue(sign, has_seen_others_beat=has_seen_others_beat):
                found.append(Dead(holder, sign, obituary(holder, sign)))
        return found

    def _has_seen_others_beat(self) -> bool:
        up = self._server_seconds()
        return self._lease.has_seen_others_beat and (up is None or up >= self._lease.seconds)
