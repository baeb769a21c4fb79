"""Live texts: what LLMs are answering at this moment, for people who watch.

Old workers may keep running: they write no live text.

On PostgreSQL the table is UNLOGGED. It is rewritten every second while answers come, nothing of it outlives its job,
and it is never the truth; so it need not go through the write-ahead log, nor to a standby. A server that crashed has
it empty, and a standby has nothing in it: in both cases the answers that come fill it again.
"""

import sqlalchemy as sa
from alembic import op

from shared.clock import UtcDateTime, db_now

revision = "0008"
down_revision = "0005"

ID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "job_live_texts",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("claim_id", ID, nullable=False),
        sa.Column("call", sa.Integer(), nullable=False),
        sa.Column("cut", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), server_default=db_now(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="job_live_texts_pkey"),
        prefixes=["UNLOGGED"] if is_postgresql else [],
    )


def downgrade() -> None:
    op.drop_table("job_live_texts")
