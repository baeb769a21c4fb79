"""What the web's own role may do on PostgreSQL, as SQL for whoever owns the tables. Pure: it connects to nothing.

The web reads, adds jobs, books and pictures, and asks for changes in columns of its own (`shared/requests.py`). States,
results, logs, locks and everything else is written by workers, so a web that is broken into cannot forge or undo a
job's course, whatever it sends.
"""

from sqlalchemy.dialects.postgresql.base import PGDialect

from shared.errors import InvalidInput
from shared.models import Base
from shared.text import check_text

ADDS_TO = ("books", "chunks", "job_dependencies", "jobs", "output_files")
ASKS_BY = ("cancel_requested_at", "retry_requested_at", "retry_fresh")
OPERATES = ("job_type_limits", "queues", "schedules")
"""What `operate` adds: queues to pause and limit, schedules to keep."""

LONGEST_NAME = 63


def grants(role: str, *, operate: bool = False) -> str:
    """The statements, to be sent by the owner of the tables after every `db upgrade`; safe to repeat.

    They take away all else that the role was granted on our tables. Raises InvalidInput for what can be no role's name.
    """
    name = _quoted(role)
    tables = sorted(Base.metadata.tables)
    lines = [
        f"-- CREATE ROLE {name} LOGIN PASSWORD '…';",
        "-- On PostgreSQL 14 and older also: REVOKE CREATE ON SCHEMA public FROM PUBLIC;",
        "BEGIN;",
        f"GRANT USAGE ON SCHEMA public TO {name};",
        f"REVOKE ALL ON {', '.join(tables)} FROM {name};",
        f"GRANT SELECT ON {', '.join([*tables, 'alembic_version'])} TO {name};",
        f"GRANT INSERT ON {', '.join(ADDS_TO)} TO {name};",
        f"GRANT UPDATE ({', '.join(ASKS_BY)}) ON jobs TO {name};",
    ]
    if operate:
        lines.append(f"GRANT INSERT, UPDATE, DELETE ON {', '.join(OPERATES)} TO {name};")
        lines.append(f"GRANT DELETE ON schedule_ticks TO {name};")  # of a schedule that is deleted
    return "\n".join([*lines, "COMMIT;"])


def _quoted(role: str) -> str:
    if not role.strip() or not role.isprintable():
        raise InvalidInput("role", "is no name of a role")
    check_text("role", role, LONGEST_NAME)
    preparer = PGDialect().identifier_preparer  # type: ignore[no-untyped-call] # SQLAlchemy has no types there
    return preparer.quote(role)
