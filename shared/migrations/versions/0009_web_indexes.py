"""Indexes for the pages: jobs that went wrong, by when; and the children of a job, by age.

Old workers may keep running. A job that completes pays nothing for the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

WENT_WRONG = sa.text("state IN ('error', 'failed')")
IS_CHILD = sa.text("parent_job_id IS NOT NULL")


def index_children(*columns: str) -> None:
    op.drop_index("jobs_by_parent", "jobs")
    op.create_index(
        "jobs_by_parent", "jobs", list(columns), unique=False, postgresql_where=IS_CHILD, sqlite_where=IS_CHILD
    )


def upgrade() -> None:
    index_children("parent_job_id", "job_id")
    op.create_index(
        "jobs_went_wrong",
        "jobs",
        ["completed_at"],
        unique=False,
        postgresql_where=WENT_WRONG,
        sqlite_where=WENT_WRONG,
    )


def downgrade() -> None:
    op.drop_index("jobs_went_wrong", "jobs")
    index_children("parent_job_id")
