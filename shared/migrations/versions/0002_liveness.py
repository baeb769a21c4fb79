"""Liveness: who a worker is on its machine, what hinders it, which workers may use this schema.

Old workers must stop: they do not beat, so the new ones would take their jobs for lost.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("workers", sa.Column("process", sa.String(length=200), nullable=True))
    op.add_column("workers", sa.Column("trouble", sa.Text(), nullable=True))
    op.drop_column("workers", "pid_started_at")
    op.add_column("jobs", sa.Column("interruptions", sa.Integer(), server_default="0", nullable=False))
    waiting_suspect = sa.text("state = 'waiting' AND losses >= 2")
    op.create_index(
        "jobs_suspects",
        "jobs",
        [sa.text("priority DESC"), "run_at", "job_id"],
        postgresql_where=waiting_suspect,
        sqlite_where=waiting_suspect,
    )
    if op.get_bind().dialect.name == "postgresql":
        # A beat changes no indexed column; with room on the page it stays there (HOT), and leaves nothing to vacuum.
        op.execute("ALTER TABLE workers SET (fillfactor = 50)")
    op.create_table(
        "schema_info",
        sa.Column("oldest_worker", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("oldest_worker", name="schema_info_pkey"),
    )
    op.execute("INSERT INTO schema_info (oldest_worker) VALUES ('0002')")


def downgrade() -> None:
    op.drop_table("schema_info")
    op.drop_index("jobs_suspects", "jobs")
    op.drop_column("jobs", "interruptions")
    op.add_column("workers", sa.Column("pid_started_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_column("workers", "trouble")
    op.drop_column("workers", "process")
