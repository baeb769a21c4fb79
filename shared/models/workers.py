"""Worker processes, the queues they serve, and recurring jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import db_now
from shared.models.base import Base, Id, short


class Worker(Base):
    """One run of one worker process; a restart is a new row with a new id. `queues` empty means all.

    The worker is alive until `lease_until`, which every beat moves on. `process` tells this process from all others of
    its machine, where that can be known; `trouble` is why it can do no work, None while it can. `requested_state` is
    what somebody asks it to be: "running", "paused" or "draining"; its next beat hears it.
    """

    __tablename__ = "workers"

    worker_id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(short(200))
    hostname: Mapped[str] = mapped_column(short(255))
    pid: Mapped[int]
    process: Mapped[str | None] = mapped_column(short(200))
    version: Mapped[str] = mapped_column(short(32))
    queues: Mapped[list[str]]
    job_types: Mapped[list[str]]
    concurrency: Mapped[int]
    state: Mapped[str] = mapped_column(short(16), server_default="running")
    started_at: Mapped[datetime] = mapped_column(server_default=db_now())
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=db_now())
    lease_until: Mapped[datetime | None]
    trouble: Mapped[str | None]
    requested_state: Mapped[str | None] = mapped_column(short(16))


class SchemaInfo(Base):
    """One row: the oldest schema revision whose workers may work on this database."""

    __tablename__ = "schema_info"

    oldest_worker: Mapped[str] = mapped_column(short(32), primary_key=True)


class Queue(Base):
    """What is special about a queue; one without a row is neither paused nor limited."""

    __tablename__ = "queues"

    queue: Mapped[str] = mapped_column(short(64), primary_key=True)
    paused_at: Mapped[datetime | None]
    max_running: Mapped[int | None]


class JobTypeLimit(Base):
    """How many jobs of a type may run at once, of all workers; a type without a row is not limited."""

    __tablename__ = "job_type_limits"

    job_type: Mapped[str] = mapped_column(short(64), primary_key=True)
    max_running: Mapped[int]


class Schedule(Base):
    """A recurring job: `cron` in `timezone`, enqueued with these values. `next_run_at`: its next tick.

    `catch_up` says what becomes of ticks that nobody was there for: "skip", "once" (the last of them) or "all".
    `trouble` is why its last tick made no job, None where it did.
    """

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(short(100), primary_key=True)
    cron: Mapped[str] = mapped_column(short(100))
    timezone: Mapped[str] = mapped_column(short(64), server_default="UTC")
    job_type: Mapped[str] = mapped_column(short(64))
    book_id: Mapped[str | None] = mapped_column(Id)
    props: Mapped[dict[str, Any]]
    queue: Mapped[str | None] = mapped_column(short(64))
    paused_at: Mapped[datetime | None]
    last_enqueued_at: Mapped[datetime | None]
    next_run_at: Mapped[datetime | None]
    catch_up: Mapped[str] = mapped_column(short(8), server_default="once")
    priority: Mapped[int] = mapped_column(server_default="0")
    trouble: Mapped[str | None]


class ScheduleTick(Base):
    """A tick that was dealt with; its key is what lets only one worker do so. `job_id`: the job it made, if any."""

    __tablename__ = "schedule_ticks"

    name: Mapped[str] = mapped_column(short(100), primary_key=True)
    tick_at: Mapped[datetime] = mapped_column(primary_key=True)
    job_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(server_default=db_now())
