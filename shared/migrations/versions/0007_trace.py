"""Where a job was enqueued, in the words of a trace: NULL for all that are enqueued outside of one.

Old workers may keep running: they do not read it. On PostgreSQL a column without a default rewrites nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("trace_context", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "trace_context")
