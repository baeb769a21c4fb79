"""The notice of an insert says that jobs are new, so that workers need not look for requests and cancels at each.

Old workers may keep running: to them a notice is a notice.
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    announce("new")


def downgrade() -> None:
    announce("")


def announce(what: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION bookbot_announce_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('bookbot_jobs', '{what}');
            RETURN NULL;
        END $$
        """
    )
