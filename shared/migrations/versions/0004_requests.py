"""Requests: what the web asks for and a worker carries out; and indexes for lists of a long history.

Old workers may go on: they leave requests lying, and start a job that a request would have called off.

The three lists are of jobs that have ended, so that they cost one entry each at a job's end, and nothing at its claim.
"""

import sqlalchemy as sa
from alembic import op

from shared.clock import UtcDateTime

revision = "0004"
down_revision = "0003"

ASKED = sa.text("retry_requested_at IS NOT NULL OR cancel_requested_at IS NOT NULL AND state = 'waiting'")
ENDED = sa.text("completed_at IS NOT NULL")
LISTS = {"jobs_ended_by_state": "state", "jobs_ended_by_type": "job_type", "jobs_ended_by_queue": "queue"}


def upgrade() -> None:
    op.add_column("jobs", sa.Column("retry_requested_at", UtcDateTime(), nullable=True))
    op.add_column("jobs", sa.Column("retry_fresh", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("jobs_requests", "jobs", ["job_id"], unique=False, postgresql_where=ASKED, sqlite_where=ASKED)
    for name, column in LISTS.items():
        op.create_index(name, "jobs", [column, "job_id"], unique=False, postgresql_where=ENDED, sqlite_where=ENDED)


def downgrade() -> None:
    for name in (*reversed(LISTS), "jobs_requests"):
        op.drop_index(name, "jobs")
    op.drop_column("jobs", "retry_fresh")
    op.drop_column("jobs", "retry_requested_at")
