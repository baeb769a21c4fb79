"""The moving parts of one processor, opened in order and closed in reverse."""

from collections.abc import Callable

from sqlalchemy import Engine

from bookbot_worker.attempt import Attempt
from bookbot_worker.driver_guard import guard_driver
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.workers import register_worker
from bookbot_worker.rule_events import watch
from bookbot_worker.slots import Slots
from bookbot_worker.telemetry.log_writer import LogWriter
from bookbot_worker.unit_of_work import guarded
from bookbot_worker.wakeup import ChangeHints, change_hints
from shared import schema
from shared.database import is_postgresql, make_engine
from shared.ids import new_id
from shared.settings import Settings

JOB_CONNECTIONS = 8
"""Connections jobs share. A job that waits for its LLM holds none, so 200 jobs do not need 200."""

JOB_PATIENCE = 3600.0
"""Seconds a job waits for one of them. A job asks for one only, so the wait ends; giving up would lose its work."""


class Parts:
    """What a running processor consists of. Building it does no I/O; `start` does.

    Two pools: one for the loop and the log writer, one for job code, so that jobs holding connections can never
    keep the engine from settling others.
    """

    def __init__(self, settings: Settings, job_types: tuple[str, ...], work: Callable[[Attempt], None]) -> None:
        self.worker_id = new_id()
        name = f"bookbot-worker:{self.worker_id[-8:]}"
        self.engine = make_engine(settings, application=name, pool_size=2, spare=1)
        shared_by_jobs = min(settings.concurrency, JOB_CONNECTIONS)
        jobs = make_engine(settings, application=name, pool_size=shared_by_jobs, spare=0, patience=JOB_PATIENCE)
        guard_driver(jobs)
        self.job_engine: Engine = guarded(jobs)
        self.claimant = Claimant(self.worker_id, job_types, settings.queues)
        self.slots: Slots[Attempt] = Slots(settings.concurrency, work)
        self.log_writer = LogWriter(self.engine, settings.log_flush_interval)
        self._settings = settings

    def start(self) -> ChangeHints:
        """Check the schema (SQLite: bring it up to date), announce the worker, begin to watch and to store logs.

        Raises SchemaMismatch, or what the database says where it cannot be reached.
        """
        if is_postgresql(self.engine):
            schema.check(self.engine)
        else:
            schema.upgrade(self.engine)
        with self.job_engine.connect():
            pass  # the first connection of an engine asks the server about itself, and rolls back: not in a job
        watch()
        register_worker(self.engine, self.worker_id, self._settings, self.claimant.job_types)
        self.log_writer.start()
        return change_hints(self.engine)

    def stop(self) -> None:
        """Let threads end and close every connection."""
        self.slots.close()
        self.log_writer.stop()
        self.job_engine.dispose()
        self.engine.dispose()
