"""The moving parts of one processor, opened in order and closed in reverse."""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.aside import Aside
from bookbot_worker.at_work import AtWork
from bookbot_worker.attempt import Attempt
from bookbot_worker.change_hints import ChangeHints, change_hints
from bookbot_worker.condition import Condition
from bookbot_worker.driver_guard import guard_driver
from bookbot_worker.execution import execute
from bookbot_worker.jobs.job_llm import Desk
from bookbot_worker.jobs.registry import Registry
from bookbot_worker.lease import Lease
from bookbot_worker.maintenance.heartbeat import Heartbeat
from bookbot_worker.maintenance.requests import Requests
from bookbot_worker.maintenance.rescuer import Rescuer
from bookbot_worker.maintenance.scheduler import Scheduler
from bookbot_worker.maintenance.supervisor import Supervisor
from bookbot_worker.meter import Meter
from bookbot_worker.outcomes import Outcome
from bookbot_worker.queue.ageing import Ageing
from bookbot_worker.queue.candidates import Claimant
from bookbot_worker.queue.sessions import session_name
from bookbot_worker.queue.workers import close_worker, describe_worker
from bookbot_worker.rule_events import watch
from bookbot_worker.slots import Slots
from bookbot_worker.telemetry.health import HealthServer
from bookbot_worker.telemetry.log_writer import LogWriter
from bookbot_worker.unit_of_work import guarded
from shared import schema
from shared.database import is_postgresql, make_engine
from shared.ids import new_id
from shared.job_types import catalogue
from shared.pg_session import PLANS_ONCE
from shared.settings import Settings

if TYPE_CHECKING:
    from bookbot_worker.telemetry.metrics_page import MetricsPage
    from bookbot_worker.telemetry.tracing import Tracing

JOB_CONNECTIONS = 3
"""Connections jobs share. A job that waits for its LLM holds none, so 200 jobs do not need 200."""

LEDGER_CONNECTIONS = 2
"""Connections of the ledger, each for a few milliseconds before and after every call."""

JOB_PATIENCE = 3600.0
"""Seconds a job waits for one of them. A job asks for one only, so the wait ends; giving up would lose its work."""


class Parts:
    """What a running processor consists of. Building it does no I/O; `start` does.

    Four pools: one for the loop, the log writer, the rescuer and requests; one for job code, so that jobs holding
    connections can never keep the engine from settling others; one for the ledger, whose entries are none of the jobs'
    transactions; one connection for the heartbeat, which waits for nobody. A worker with a health page has one more for
    its figures.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        condition: Condition,
        at_work: AtWork,
        work: Callable[[Attempt], None],
        llm: Any = None,
    ) -> None:
        lease = condition.lease
        self.worker_id = new_id()
        name = session_name(self.worker_id)
        self.engine = make_engine(settings, application=name, pool_size=3, spare=0, session=PLANS_ONCE)
        shared_by_jobs = min(settings.concurrency, JOB_CONNECTIONS)
        jobs = make_engine(settings, application=name, pool_size=shared_by_jobs, spare=0, patience=JOB_PATIENCE)
        guard_driver(jobs)
        self.job_engine: Engine = guarded(jobs)
        self._ledger_engine = make_engine(settings, application=name, pool_size=LEDGER_CONNECTIONS, spare=0)
        self._beat_engine = _beat_engine(settings, name, lease)
        self.claimant = Claimant(self.worker_id, tuple(registry), settings.queues, registry.timeouts())
        self.ageing = Ageing()
        self._metrics = self._metrics_page(settings, name, condition) if settings.health_port else None
        self.meter = condition.meter = at_work.meter = self._metrics.meter if self._metrics else Meter()
        self._tracing = self._make_tracing() if settings.tracing else None
        self.execute: Callable[[Attempt], Outcome] = self._tracing.around(execute) if self._tracing else execute
        llm = self._tracing.author(llm) if self._tracing and llm is not None else llm
        self.desk = None if llm is None else Desk(llm, self._ledger_engine, settings, self.meter)
        self.slots: Slots[Attempt] = Slots(settings.concurrency, work, condition.wake)
        self.aside = Aside()
        self.log_writer = LogWriter(self.engine, settings.log_flush_interval)
        worker = describe_worker(self.worker_id, settings, self.claimant.job_types)
        self.heartbeat = Heartbeat(
            self._beat_engine, worker, lease, condition, settings.heartbeat_seconds, lambda: self.rescuer.nudge()
        )
        self.rescuer = Rescuer(
            self.engine,
            self.worker_id,
            lease,
            settings.rescue_seconds,
            lambda: self.heartbeat.server_seconds,
            self.meter,
            lambda: self.heartbeat.others_may_be_dead,
        )
        self.requests = Requests(self.engine)
        self._scheduler = Scheduler(self.engine, [job_type.name for job_type in catalogue()])
        self._supervisor = Supervisor(at_work)
        self._health = (
            HealthServer(
                settings.health_port,
                condition.why_not_ready,
                condition.status,
                self._metrics.text,
                settings.health_host,
            )
            if self._metrics
            else None
        )

    def _metrics_page(self, settings: Settings, application: str, condition: Condition) -> "MetricsPage":
        from bookbot_worker.telemetry.metrics_page import MetricsPage  # 50 ms that only a watched worker spends

        pools = {
            "engine": self.engine,
            "jobs": self.job_engine,
            "ledger": self._ledger_engine,
            "heartbeat": self._beat_engine,
        }
        return MetricsPage(settings, application, self.worker_id, condition, pools, self.claimant.job_types)

    def _make_tracing(self) -> "Tracing":
        from bookbot_worker.telemetry.tracing import Tracing  # needs packages that only who traces has

        return Tracing(self.worker_id)

    def start(self) -> ChangeHints:
        """Check the schema (SQLite: bring it up to date), announce the worker, begin to watch and to store logs.

        Raises SchemaMismatch, ConfigurationError, or what the database says where it cannot be reached.
        """
        if not is_postgresql(self.engine) and schema.is_older(self.engine):
            schema.upgrade(self.engine)
        schema.check(self.engine)
        with self.job_engine.connect():
            pass  # the first connection of an engine asks the server about itself, and rolls back: not in a job
        watch()
        if self._health is not None:
            self._health.start()
        self.heartbeat.announce()
        self.rescuer.start()
        self.requests.start()
        self._scheduler.start()
        self._supervisor.start()
        self.log_writer.start()
        self.aside.start()
        return change_hints(self.engine)

    def stop(self) -> None:
        """Let threads end and close every connection; the heartbeat last, so that nobody rescues what we give back."""
        self.slots.close()
        self.aside.stop()
        self.rescuer.stop()
        self.requests.stop()
        self._scheduler.stop()
        self._supervisor.stop()
        self.log_writer.stop()
        self.heartbeat.stop()
        with contextlib.suppress(SQLAlchemyError):
            close_worker(self.engine, self.worker_id)
        if self._health is not None:
            self._health.close()
        if self._metrics is not None:
            self._metrics.close()
        if self._tracing is not None:
            self._tracing.close()
        for engine in (self.job_engine, self._ledger_engine, self._beat_engine, self.engine):
            engine.dispose()


def _beat_engine(settings: Settings, name: str, lease: Lease) -> Engine:
    """One connection, that commits every statement by itself (one round trip a beat), and gives up in time to retry."""
    patience = min(settings.database_timeout_seconds, lease.seconds / 4)
    engine = make_engine(settings, application=name, pool_size=1, spare=0, io_limit=patience)
    return engine.execution_options(isolation_level="AUTOCOMMIT") if is_postgresql(engine) else engine
