"""The ledger: whose claim a call belongs to, what it cost by whose word, how it failed; providers that are paused.

Old workers must stop: they keep no ledger, so what they pay for would be asked for again, and they heed no budget.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from shared.clock import UtcDateTime

revision = "0003"
down_revision = "0002"

ID = sa.Uuid(as_uuid=False)

IN_FLIGHT = sa.text("status = 'sent'")


def call_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("claim_id", ID, nullable=True),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("occurrence", sa.Integer(), server_default="1", nullable=False),
        sa.Column("answered_model", sa.String(length=200), nullable=True),
        sa.Column("cost_source", sa.String(length=32), nullable=True),
        sa.Column("is_estimate", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("error_kind", sa.String(length=32), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
    ]


def upgrade() -> None:
    op.add_column("jobs", sa.Column("llm_epoch", sa.Integer(), server_default="0", nullable=False))
    for column in call_columns():
        op.add_column("llm_calls", column)
    op.create_index("llm_calls_created_at", "llm_calls", ["created_at"], unique=False)
    op.create_index("llm_calls_of_model", "llm_calls", ["model", "created_at"], unique=False)
    op.create_index(
        "llm_calls_in_flight",
        "llm_calls",
        ["model"],
        unique=False,
        postgresql_where=IN_FLIGHT,
        sqlite_where=IN_FLIGHT,
    )
    op.create_table(
        "llm_circuits",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("failed_at", UtcDateTime(), nullable=False),
        sa.Column("open_until", UtcDateTime(), nullable=True),
        sa.Column("probe_call_id", ID, nullable=True),
        sa.Column("probe_until", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", name="llm_circuits_pkey"),
    )
    op.execute("UPDATE schema_info SET oldest_worker = '0003'")


def downgrade() -> None:
    op.execute("UPDATE schema_info SET oldest_worker = '0002'")
    op.drop_table("llm_circuits")
    for index in ("llm_calls_in_flight", "llm_calls_of_model", "llm_calls_created_at"):
        op.drop_index(index, "llm_calls")
    for column in reversed(call_columns()):
        op.drop_column("llm_calls", column.name)
    op.drop_column("jobs", "llm_epoch")
