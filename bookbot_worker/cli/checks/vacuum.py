"""Whether PostgreSQL gets rid of dead rows, which every claim has to look past, and what keeps it from doing so."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from bookbot_worker.cli.checks import Finding, ok, unseen, warn

DEAD_ROWS = 50_000
"""So many, and a tenth of the table: what vacuums early has left them for long."""

LONG_AGO = 3600.0
"""Seconds in which autovacuum has come to a table that needs it, unless something keeps it busy."""

OLD = 600.0
"""Seconds. Nothing that died since can be cleaned up, and every claim looks past it; what it locked is locked."""


def check_dead_rows(session: Session) -> Iterator[Finding]:
    """Whether a table is full of them."""
    query = text(
        "SELECT quote_ident(relname) AS name, n_dead_tup AS dead, n_live_tup AS live,"
        " extract(epoch FROM now() - greatest(last_vacuum, last_autovacuum)) AS ago"
        " FROM pg_stat_user_tables WHERE schemaname = current_schema()"
        " AND n_dead_tup > :dead AND n_dead_tup > n_live_tup * 0.1 ORDER BY n_dead_tup DESC LIMIT 1"
    )
    worst = session.execute(query, {"dead": DEAD_ROWS}).one_or_none()
    if worst is None:
        yield ok("dead rows", "few")
        return
    last = "never vacuumed" if worst.ago is None else f"last vacuumed {worst.ago / 60:.0f} minutes ago"
    yield warn(
        "dead rows", f"{worst.name} has {worst.dead} dead rows beside {worst.live} live ones, and was {last}",
        f"VACUUM (VERBOSE) {worst.name}; it says whether something below keeps them",
    )  # fmt: skip


def check_autovacuum(session: Session) -> Iterator[Finding]:
    """Whether it is on, for the server and for every table, and comes where it is needed."""
    off = text(
        "SELECT name FROM pg_settings WHERE name IN ('autovacuum', 'track_counts') AND setting = 'off' ORDER BY name"
    )
    if names := session.scalars(off).all():
        yield warn(
            "autovacuum", f"the server has {' and '.join(names)} = off: dead rows stay, and every claim gets slower",
            "; ".join(f"ALTER SYSTEM SET {name} = on" for name in names) + "; SELECT pg_reload_conf()",
        )  # fmt: skip
        return
    kept_from = text(
        "SELECT quote_ident(relname) FROM pg_class, pg_options_to_table(reloptions)"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        " AND option_name = 'autovacuum_enabled' AND NOT option_value::boolean ORDER BY relname LIMIT 1"
    )
    if (name := session.scalar(kept_from)) is not None:
        yield warn("autovacuum", f"off for {name}", f"ALTER TABLE {name} RESET (autovacuum_enabled)")
        return
    overdue = text(
        "SELECT quote_ident(relname) AS name, n_dead_tup AS dead, extract(epoch FROM"
        " now() - coalesce(greatest(last_vacuum, last_autovacuum), pg_postmaster_start_time())) AS ago"
        " FROM pg_stat_user_tables WHERE schemaname = current_schema() AND n_dead_tup > 10000"
        " AND n_dead_tup > n_live_tup * 0.25 ORDER BY ago DESC LIMIT 1"
    )
    worst = session.execute(overdue).one_or_none()
    if worst is not None and worst.ago > LONG_AGO:
        yield warn(
            "autovacuum",
            f"{worst.dead} rows of {worst.name} are dead, and for {worst.ago / 60:.0f} minutes it has not come",
            f"see pg_locks for who keeps it out, pg_stat_progress_vacuum for what it does; then VACUUM {worst.name}",
        )  # fmt: skip
        return
    yield ok("autovacuum", "on")


def check_old_snapshots(session: Session) -> Iterator[Finding]:
    """Whether a session of this database is in one transaction for long. Those of VACUUM itself keep nothing."""
    query = text(
        "SELECT pid, coalesce(application_name, '') AS name, usename AS role, state,"
        " extract(epoch FROM now() - xact_start) AS seconds, quote_ident(current_user) AS me FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND coalesce(backend_type, '') NOT IN ('autovacuum worker', 'walsender')"
        " AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR state LIKE 'idle in transaction%')"
        " ORDER BY xact_start NULLS LAST"
    )
    found = session.execute(query).all()
    hidden = [one for one in found if one.seconds is None and one.state is None]
    if found and found[0].seconds is not None and found[0].seconds > OLD:
        oldest = found[0]
        yield warn(
            "old snapshots",
            f"session {oldest.pid} ({oldest.name or oldest.role}, {oldest.state}) is in one transaction for"
            f" {oldest.seconds / 60:.0f} minutes; what died since stays",
            f"end what it does, or: SELECT pg_terminate_backend({oldest.pid})",
        )  # fmt: skip
    elif hidden:
        since = f"how long the transactions of other roles last, of which there are {len(hidden)}, is not shown"
        yield unseen("old snapshots", since, hidden[0].me)
    else:
        yield ok("old snapshots", "none")


def check_prepared(session: Session) -> Iterator[Finding]:
    """Whether a transaction was prepared and then forgotten. Ours never are, so it is another program's."""
    query = text(
        "SELECT quote_literal(gid) AS name, owner, extract(epoch FROM now() - prepared) AS seconds"
        " FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT 1"
    )
    oldest = session.execute(query).one_or_none()
    if oldest is None or oldest.seconds <= OLD:
        yield ok("prepared transactions", "none is old")
        return
    yield warn(
        "prepared transactions",
        f"{oldest.name} of {oldest.owner} is {oldest.seconds / 60:.0f} minutes old; what it locked is locked,"
        " what died since stays, also after a restart",
        f"see what its program decided, then: COMMIT PREPARED {oldest.name}, or ROLLBACK PREPARED {oldest.name}",
    )  # fmt: skip
