"""The first schema: books, jobs, logs, workers, ledger.

Old workers may keep running: there are none.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.clock import UtcDateTime, db_now

revision = "0001"
down_revision = None

ID = sa.Uuid(as_uuid=False)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

TABLES = (
    "job_dependencies",
    "output_files",
    "job_logs",
    "llm_calls",
    "queues",
    "schedules",
    "workers",
    "jobs",
    "chunks",
    "books",
)


def where(condition: str) -> dict[str, Any]:
    """A partial index's condition, for both databases."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "books",
        sa.Column("book_id", ID, nullable=False),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("props", JSON, nullable=False),
        sa.Column("created_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.Column("locked_by_job_id", ID, nullable=True),
        sa.Column("locked_at", UtcDateTime(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("book_id", name="books_pkey"),
    )
    op.create_table(
        "job_logs",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("claim_id", ID, nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("props", JSON, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "seq", "claim_id", name="job_logs_pkey"),
    )
    op.create_table(
        "llm_calls",
        sa.Column("call_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("book_id", ID, nullable=True),
        sa.Column("chunk_id", ID, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("request", JSON, nullable=False),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("finish_reason", sa.String(length=32), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("cost_usd", sa.Double(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.CheckConstraint("status IN ('sent', 'done', 'failed', 'unknown')", name="llm_calls_status_known"),
        sa.PrimaryKeyConstraint("call_id", name="llm_calls_pkey"),
    )
    op.create_index("llm_calls_book_id", "llm_calls", ["book_id"], unique=False)
    op.create_index("llm_calls_job_id", "llm_calls", ["job_id"], unique=False)
    op.create_table(
        "queues",
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("queue", name="queues_pkey"),
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=False),
        sa.Column("timezone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("job_type", sa.String(length=64), nullable=False),
        sa.Column("book_id", ID, nullable=True),
        sa.Column("props", JSON, nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=True),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("last_enqueued_at", UtcDateTime(), nullable=True),
        sa.Column("next_run_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="schedules_pkey"),
    )
    op.create_table(
        "workers",
        sa.Column("worker_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("pid_started_at", UtcDateTime(), nullable=True),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("queues", JSON, nullable=False),
        sa.Column("job_types", JSON, nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="running", nullable=False),
        sa.Column("started_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("worker_id", name="workers_pkey"),
    )
    op.create_table(
        "chunks",
        sa.Column("chunk_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("book_id", ID, nullable=False),
        sa.Column("is_latest", sa.Boolean(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("chapter", sa.Integer(), nullable=True),
        sa.Column("position", sa.Double(), nullable=False),
        sa.Column("word_count", sa.Integer(), nullable=False),
        sa.Column("props", JSON, nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("created_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.Column("locked_by_job_id", ID, nullable=True),
        sa.Column("locked_at", UtcDateTime(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "type IN ('brief', 'style', 'outline', 'characters', 'settings', 'scene', 'bot', 'task', 'review')",
            name="chunks_type_known",
        ),
        sa.ForeignKeyConstraint(["book_id"], ["books.book_id"], name="chunks_book_id_fkey"),
        sa.PrimaryKeyConstraint("chunk_id", "version", name="chunks_pkey"),
    )
    op.create_index("chunks_latest", "chunks", ["chunk_id"], unique=True, **where("is_latest"))
    op.create_index("chunks_locked", "chunks", ["book_id"], unique=False, **where("locked_by_job_id IS NOT NULL"))
    op.create_index("chunks_of_book", "chunks", ["book_id", "type", "position"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("book_id", ID, nullable=True),
        sa.Column("chunk_id", ID, nullable=True),
        sa.Column("job_type", sa.String(length=64), nullable=False),
        sa.Column("queue", sa.String(length=64), server_default="default", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lock_scope", sa.String(length=8), nullable=True),
        sa.Column("props", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), server_default="waiting", nullable=False),
        sa.Column("run_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.Column("created_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claim_id", ID, nullable=True),
        sa.Column("worker_id", ID, nullable=True),
        sa.Column("deadline_at", UtcDateTime(), nullable=True),
        sa.Column("cancel_requested_at", UtcDateTime(), nullable=True),
        sa.Column("progress", sa.Double(), server_default="0", nullable=False),
        sa.Column("progress_message", sa.Text(), nullable=True),
        sa.Column("result", JSON, nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_trace", sa.Text(), nullable=True),
        sa.Column("unique_key", sa.String(length=255), nullable=True),
        sa.Column("parent_job_id", ID, nullable=True),
        sa.Column("log_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cost_usd", sa.Double(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(completed_at IS NOT NULL) = (state IN ('completed', 'failed', 'error', 'cancelled'))",
            name="jobs_terminal_has_completed_at",
        ),
        sa.CheckConstraint("(worker_id IS NOT NULL) = (state = 'running')", name="jobs_running_has_worker"),
        sa.CheckConstraint("lock_scope <> 'chunk' OR chunk_id IS NOT NULL", name="jobs_chunk_lock_needs_chunk"),
        sa.CheckConstraint("lock_scope IN ('book', 'chunk')", name="jobs_lock_scope_known"),
        sa.CheckConstraint(
            "state IN ('waiting', 'running') OR state IN ('completed', 'failed', 'error', 'cancelled')",
            name="jobs_state_known",
        ),
        sa.CheckConstraint("lock_scope IS NULL OR book_id IS NOT NULL", name="jobs_lock_needs_book"),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name="jobs_progress_range"),
        sa.ForeignKeyConstraint(["book_id"], ["books.book_id"], name="jobs_book_id_fkey"),
        sa.PrimaryKeyConstraint("job_id", name="jobs_pkey"),
    )
    op.create_index(
        "jobs_active_unique_key",
        "jobs",
        ["unique_key"],
        unique=True,
        **where("unique_key IS NOT NULL AND state IN ('waiting', 'running')"),
    )
    op.create_index("jobs_by_book", "jobs", ["book_id", "job_id"], unique=False, **where("book_id IS NOT NULL"))
    op.create_index("jobs_by_parent", "jobs", ["parent_job_id"], unique=False, **where("parent_job_id IS NOT NULL"))
    op.create_index(
        "jobs_claim",
        "jobs",
        [sa.text("priority DESC"), "run_at", "job_id"],
        unique=False,
        **where("state = 'waiting'"),
    )
    op.create_index("jobs_history", "jobs", ["completed_at"], unique=False, **where("completed_at IS NOT NULL"))
    op.create_index("jobs_running_by_worker", "jobs", ["worker_id"], unique=False, **where("state = 'running'"))
    op.create_index(
        "jobs_waiting_for_book",
        "jobs",
        ["book_id", "lock_scope", "chunk_id"],
        unique=False,
        **where("state = 'waiting' AND lock_scope IS NOT NULL"),
    )
    op.create_table(
        "output_files",
        sa.Column("file_id", ID, nullable=False),
        sa.Column("book_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.ForeignKeyConstraint(["book_id"], ["books.book_id"], name="output_files_book_id_fkey"),
        sa.PrimaryKeyConstraint("file_id", name="output_files_pkey"),
    )
    op.create_index("output_files_book_id", "output_files", ["book_id"], unique=False)
    op.create_index("output_files_job_id", "output_files", ["job_id"], unique=False)
    op.create_table(
        "job_dependencies",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("depends_on_job_id", ID, nullable=False),
        sa.Column("needs", sa.String(length=16), server_default="completed", nullable=False),
        sa.CheckConstraint("needs IN ('completed', 'finished')", name="job_dependencies_needs_known"),
        sa.ForeignKeyConstraint(
            ["depends_on_job_id"],
            ["jobs.job_id"],
            name="job_dependencies_depends_on_job_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name="job_dependencies_job_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "depends_on_job_id", name="job_dependencies_pkey"),
    )
    op.create_index("job_dependencies_depends_on_job_id", "job_dependencies", ["depends_on_job_id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        announce_inserts()


def announce_inserts() -> None:
    """Wake listening workers when jobs are inserted: one hint a statement, without content.

    A statement trigger, not a row trigger: NOTIFY takes a database-wide lock at commit, so it must stay rare.
    """
    op.execute(
        """
        CREATE FUNCTION bookbot_announce_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('bookbot_jobs', '');
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER jobs_announce AFTER INSERT ON jobs
        FOR EACH STATEMENT EXECUTE FUNCTION bookbot_announce_jobs()
        """
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION bookbot_announce_jobs")
