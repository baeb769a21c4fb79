"""Jobs, what they depend on, and their log lines. Column names are fixed: views, CLI and API show them as they are."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, desc, false, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import db_now
from shared.models.base import Base, Id, short

_TERMINAL_SQL = "state IN ('completed', 'failed', 'error', 'cancelled')"
_WAITING = text("state = 'waiting'")
_SUSPECT = text("state = 'waiting' AND losses >= 2")
_ASKED = text("retry_requested_at IS NOT NULL OR cancel_requested_at IS NOT NULL AND state = 'waiting'")
_ENDED = text("completed_at IS NOT NULL")

SUSPECT_AFTER: ColumnElement[int] = literal_column("2")
"""Losses from which a job may be what kills its workers. As text: a prepared plan must know it to use the index."""


class Job(Base):
    """One piece of background work; its row is the queue, the status page and the history.

    `losses` counts runs that died with their worker and had made no progress, `interruptions` runs that the database
    broke off; neither counts as an attempt of the job's own. `cost_usd` grows with every call in the ledger.
    `llm_epoch` is how often its answers were thrown away (`retry_job(fresh=True)`): older ones answer no more.
    The columns that ask for something (`…_requested_at`, `retry_fresh`) are all that the web may change.
    """

    __tablename__ = "jobs"

    job_id: Mapped[str] = mapped_column(Id, primary_key=True)
    book_id: Mapped[str | None] = mapped_column(Id, ForeignKey("books.book_id"))
    chunk_id: Mapped[str | None] = mapped_column(Id)
    job_type: Mapped[str] = mapped_column(short(64))
    queue: Mapped[str] = mapped_column(short(64), server_default="default")
    priority: Mapped[int] = mapped_column(server_default="0")
    lock_scope: Mapped[str | None] = mapped_column(short(8))
    props: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(short(16), server_default="waiting")
    run_at: Mapped[datetime] = mapped_column(server_default=db_now())
    created_at: Mapped[datetime] = mapped_column(server_default=db_now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int] = mapped_column(server_default="1")
    losses: Mapped[int] = mapped_column(server_default="0")
    interruptions: Mapped[int] = mapped_column(server_default="0")
    claim_id: Mapped[str | None] = mapped_column(Id)
    worker_id: Mapped[str | None] = mapped_column(Id)
    deadline_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(server_default="0")
    progress_message: Mapped[str | None]
    result: Mapped[dict[str, Any] | None]
    error_message: Mapped[str | None]
    error_trace: Mapped[str | None]
    unique_key: Mapped[str | None] = mapped_column(short(255))
    parent_job_id: Mapped[str | None] = mapped_column(Id)
    log_count: Mapped[int] = mapped_column(server_default="0")
    cost_usd: Mapped[float] = mapped_column(server_default="0")
    llm_epoch: Mapped[int] = mapped_column(server_default="0")
    retry_requested_at: Mapped[datetime | None]
    retry_fresh: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (
        # Empty as good as always; else a claim would look through the whole backlog for one suspect.
        Index(
            "jobs_suspects",
            desc("priority"),
            "run_at",
            "job_id",
            postgresql_where=_SUSPECT,
            sqlite_where=_SUSPECT,
        ),
        CheckConstraint(f"(completed_at IS NOT NULL) = ({_TERMINAL_SQL})", "terminal_has_completed_at"),
        CheckConstraint("(worker_id IS NOT NULL) = (state = 'running')", "running_has_worker"),
        CheckConstraint(f"state IN ('waiting', 'running') OR {_TERMINAL_SQL}", "state_known"),
        CheckConstraint("progress >= 0 AND progress <= 1", "progress_range"),
        CheckConstraint("lock_scope IS NULL OR book_id IS NOT NULL", "lock_needs_book"),
        CheckConstraint("lock_scope IN ('book', 'chunk')", "lock_scope_known"),
        CheckConstraint("lock_scope <> 'chunk' OR chunk_id IS NOT NULL", "chunk_lock_needs_chunk"),
        # Claim order. Partial, so that its size and the claim's cost follow the backlog, never the history.
        Index(
            "jobs_claim",
            desc("priority"),
            "run_at",
            "job_id",
            postgresql_where=_WAITING,
            sqlite_where=_WAITING,
        ),
        Index(
            "jobs_waiting_for_book",
            "book_id",
            "lock_scope",
            "chunk_id",
            postgresql_where=text("state = 'waiting' AND lock_scope IS NOT NULL"),
            sqlite_where=text("state = 'waiting' AND lock_scope IS NOT NULL"),
        ),
        Index(
            "jobs_running_by_worker",
            "worker_id",
            postgresql_where=text("state = 'running'"),
            sqlite_where=text("state = 'running'"),
        ),
        Index(
            "jobs_active_unique_key",
            "unique_key",
            unique=True,
            postgresql_where=text("unique_key IS NOT NULL AND state IN ('waiting', 'running')"),
            sqlite_where=text("unique_key IS NOT NULL AND state IN ('waiting', 'running')"),
        ),
        Index(
            "jobs_history",
            "completed_at",
            postgresql_where=text("completed_at IS NOT NULL"),
            sqlite_where=text("completed_at IS NOT NULL"),
        ),
        # What the front page asks for: empty as good as always.
        Index(
            "jobs_went_wrong",
            "completed_at",
            postgresql_where=text("state IN ('error', 'failed')"),
            sqlite_where=text("state IN ('error', 'failed')"),
        ),
        Index(
            "jobs_by_book",
            "book_id",
            "job_id",
            postgresql_where=text("book_id IS NOT NULL"),
            sqlite_where=text("book_id IS NOT NULL"),
        ),
        Index(
            "jobs_by_parent",
            "parent_job_id",
            "job_id",
            postgresql_where=text("parent_job_id IS NOT NULL"),
            sqlite_where=text("parent_job_id IS NOT NULL"),
        ),
        # What the web asked for and nobody has carried out: next to nothing, so that to look for it costs nothing.
        Index("jobs_requests", "job_id", postgresql_where=_ASKED, sqlite_where=_ASKED),
        # Lists of what has ended; of what has not, there is never so much.
        Index("jobs_ended_by_state", "state", "job_id", postgresql_where=_ENDED, sqlite_where=_ENDED),
        Index("jobs_ended_by_type", "job_type", "job_id", postgresql_where=_ENDED, sqlite_where=_ENDED),
        Index("jobs_ended_by_queue", "queue", "job_id", postgresql_where=_ENDED, sqlite_where=_ENDED),
    )

    def __repr__(self) -> str:
        return f"<Job {self.job_id} {self.job_type} {self.state}>"


IS_RUNNING: ColumnElement[bool] = Job.state == literal_column("'running'")
"""As text, not as a parameter: a prepared plan must know it to use the partial index on running jobs."""


class JobDependency(Base):
    """`job_id` may not start before `depends_on_job_id` is done.

    `needs` says what done means: "completed" (a failure cancels the dependent job) or "finished" (any end).
    """

    __tablename__ = "job_dependencies"

    job_id: Mapped[str] = mapped_column(Id, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    depends_on_job_id: Mapped[str] = mapped_column(
        Id, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True, index=True
    )
    needs: Mapped[str] = mapped_column(short(16), server_default="completed")

    __table_args__ = (CheckConstraint("needs IN ('completed', 'finished')", "needs_known"),)


class JobLog(Base):
    """One line of a job's log. The reading order is (attempt, seq), not the order of arrival.

    `claim_id` tells the runs apart: a lost run keeps its lines under its own claim. No foreign key to `jobs`:
    it would lock the job's row for every line.
    """

    __tablename__ = "job_logs"

    job_id: Mapped[str] = mapped_column(Id, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    claim_id: Mapped[str] = mapped_column(Id, primary_key=True)
    level: Mapped[str] = mapped_column(short(16))
    message: Mapped[str]
    props: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
