"""How PostgreSQL is set up: whether it keeps what it acknowledges, has room for connections, and can be heard."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from bookbot_worker.cli.checks import Finding, ok, warn

OLDEST = 13
"""The oldest major version that knows what our statements need."""

NEARLY_ALL = 0.9
QUEUE_USED = 0.1
"""Of the queue of notices, which only empties past its slowest listener."""

_LOSES = {
    "fsync": "a crash of its machine can destroy the whole database",
    "full_page_writes": "a crash of its machine can spoil pages of it",
    "synchronous_commit": "a crash loses what was just acknowledged, answers that were paid for among it",
}


def check_durability(session: Session) -> Iterator[Finding]:
    """Whether what it acknowledges survives a crash. Settings of the role or the database count, as for workers."""
    query = text(
        "SELECT name, source FROM pg_settings WHERE setting = 'off'"
        " AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"
    )
    found = session.execute(query).all()
    for name, source in found:
        where = {"database": "ALTER DATABASE … RESET", "user": "ALTER ROLE … RESET"}.get(source)
        yield warn(
            "durability", f"{name} is off: {_LOSES[name]}",
            f"{where} {name}" if where else f"set {name} = on for the server ({source}), and reload it",
        )  # fmt: skip
    if not found:
        yield ok("durability", "what it acknowledges survives a crash")


def check_connections(session: Session) -> Iterator[Finding]:
    """Whether the server, the database and the role have room for more."""
    query = text(
        "WITH sessions AS (SELECT datname, usename FROM pg_stat_activity"
        " WHERE datname IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend')"
        " SELECT 'max_connections' AS name, (SELECT count(*) FROM sessions) AS used,"
        " current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - coalesce(current_setting('reserved_connections', true), '0')::int AS most"
        " UNION ALL SELECT 'the limit of the database',"
        " (SELECT count(*) FROM sessions WHERE datname = current_database()),"
        " (SELECT datconnlimit FROM pg_database WHERE datname = current_database())"
        " UNION ALL SELECT 'the limit of the role', (SELECT count(*) FROM sessions WHERE usename = session_user),"
        " (SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user)"
    )
    limits = [limit for limit in session.execute(query).all() if limit.most >= 0]
    tightest = min(limits, key=lambda limit: limit.most - limit.used)
    how = f"{tightest.used} of {tightest.most} are in use"
    if tightest.used > NEARLY_ALL * tightest.most:
        yield warn(
            "connections", f"{how}; then nobody is let in",
            f"raise {tightest.name}, start fewer workers (10 connections each), or put PgBouncer in between",
        )  # fmt: skip
    else:
        yield ok("connections", how)


def check_notices(session: Session) -> Iterator[Finding]:
    """Whether workers can hear of new jobs, and whether somebody who does not listen fills the queue of notices."""
    used = session.scalars(text("SELECT pg_notification_queue_usage()")).one()
    if used > QUEUE_USED:
        yield warn(
            "notices", f"{used:.0%} of their queue is used: when it is full, nothing can be enqueued",
            "end the session that listens and stays in a transaction: see old snapshots above",
        )  # fmt: skip
    elif _is_pooled(session):
        yield warn(
            "notices", "a pooler stands between: LISTEN hears nothing through it, so jobs are found by polling",
            "let DATABASE_URL of workers lead to the server itself, or leave it: see BOOKBOT_POLL_SECONDS",
        )  # fmt: skip
    else:
        yield ok("notices", "workers hear of new jobs at once")


def check_compiling(session: Session) -> Iterator[Finding]:
    """Whether the server compiles plans, which takes longer than to carry ours out. Our own sessions tell it not to.

    A pooler's sessions are nobody's own.
    """
    query = "SELECT current_setting('jit') = 'on' AND pg_jit_available() AS compiles, quote_ident(current_user) AS me"
    found = session.execute(text(query)).one()
    if found.compiles and _is_pooled(session):
        yield warn(
            "jit", "the sessions behind the pooler compile plans, which takes longer than to carry ours out",
            f"ALTER ROLE {found.me} SET jit = off",
        )  # fmt: skip
    else:
        yield ok("jit", "no plan of ours is compiled")


def _is_pooled(session: Session) -> bool:
    return bool(getattr(session.connection().connection.driver_connection, "is_pooled", False))
