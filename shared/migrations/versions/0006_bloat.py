"""Bloat: the busy tables are vacuumed and analysed early, and leave room on their pages.

Old workers may keep running: nothing they read or write changes. None of it blocks them either (the lock is the one
that VACUUM takes).

A job's row is written three times in its life, so a queue of a thousand jobs a second leaves two thousand dead rows a
second; by default they would be looked at when they are a fifth of the table, which after a year of history is never.
`fillfactor`: with a fifth of each page free, a third of all updates stays on its page (HOT; 5 % without), which is that
of the progress, the costs and the cancel flag; claim and settle change what is indexed and never do.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

SETTINGS = {
    "jobs": {
        "fillfactor": "80",
        "autovacuum_vacuum_scale_factor": "0.01",
        "autovacuum_vacuum_threshold": "1000",
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_analyze_threshold": "1000",
    },
    "job_logs": {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_insert_scale_factor": "0.05"},
    "llm_calls": {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_analyze_scale_factor": "0.05"},
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, settings in SETTINGS.items():
        op.execute(f"ALTER TABLE {table} SET ({', '.join(f'{name} = {value}' for name, value in settings.items())})")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, settings in SETTINGS.items():
        op.execute(f"ALTER TABLE {table} RESET ({', '.join(settings)})")
