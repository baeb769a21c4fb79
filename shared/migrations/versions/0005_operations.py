"""Operations: limits of job types, what a worker is asked to do, how a schedule catches up, and the ticks it had.

Old workers may keep running: they heed no limit and no request, and run no schedules, until they are replaced.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from shared.clock import UtcDateTime, db_now

revision = "0005"
down_revision = "0004"

ID = sa.Uuid(as_uuid=False)


def schedule_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("catch_up", sa.String(length=8), server_default="once", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
    ]


def upgrade() -> None:
    op.create_table(
        "job_type_limits",
        sa.Column("job_type", sa.String(length=64), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job_type", name="job_type_limits_pkey"),
    )
    op.add_column("workers", sa.Column("requested_state", sa.String(length=16), nullable=True))
    for column in schedule_columns():
        op.add_column("schedules", column)
    op.create_table(
        "schedule_ticks",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("tick_at", UtcDateTime(), nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("created_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.PrimaryKeyConstraint("name", "tick_at", name="schedule_ticks_pkey"),
    )


def downgrade() -> None:
    op.drop_table("schedule_ticks")
    for column in reversed(schedule_columns()):
        op.drop_column("schedules", column.name)
    op.drop_column("workers", "requested_state")
    op.drop_table("job_type_limits")
