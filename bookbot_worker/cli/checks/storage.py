"""Whether the database will still be well tomorrow: dead rows, old snapshots, connections; disk and log of SQLite."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bookbot_worker.cli.checks import Finding, fail, ok, warn

MIB = 1024 * 1024
OLD_SNAPSHOT = 600.0
"""Seconds. Nothing that was deleted since can be cleaned up, and every claim looks past it."""


def check_storage(session: Session, engine: Engine) -> Iterator[Finding]:
    """The checks of the database there is."""
    if engine.dialect.name == "postgresql":
        yield _dead_rows(session)
        yield _old_snapshots(session)
        yield _connections(session)
    else:
        yield from _sqlite(Path(str(engine.url.database)).resolve())


def _dead_rows(session: Session) -> Finding:
    query = text(
        "SELECT relname, n_dead_tup, n_live_tup FROM pg_stat_user_tables WHERE schemaname = current_schema()"
        " AND n_dead_tup > 20000 AND n_dead_tup > n_live_tup * 0.5 ORDER BY n_dead_tup DESC LIMIT 1"
    )
    worst = session.execute(query).one_or_none()
    if worst is None:
        return ok("dead rows", "few")
    return warn(
        "dead rows", f"{worst.relname} has {worst.n_dead_tup} dead rows beside {worst.n_live_tup} live ones",
        f"see below for old snapshots, then: VACUUM (VERBOSE) {worst.relname}; and whether autovacuum is on",
    )  # fmt: skip


def _old_snapshots(session: Session) -> Finding:
    query = text(
        "SELECT pid, coalesce(application_name, '') AS name, extract(epoch FROM now() - xact_start) AS seconds"
        " FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        " ORDER BY xact_start LIMIT 1"
    )
    oldest = session.execute(query).one_or_none()
    if oldest is None or oldest.seconds < OLD_SNAPSHOT:
        return ok("old snapshots", "none")
    return warn(
        "old snapshots", f"session {oldest.pid} ({oldest.name}) holds one for {oldest.seconds / 60:.0f} minutes",
        f"end what it does, or: SELECT pg_terminate_backend({oldest.pid})",
    )  # fmt: skip


def _connections(session: Session) -> Finding:
    query = text("SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity")
    used, most = session.execute(query).one()
    if used > 0.9 * most:
        return warn("connections", f"{used} of {most} are in use", "raise max_connections, or put PgBouncer in between")
    return ok("connections", f"{used} of {most} are in use")


def _sqlite(path: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(path.parent).free
    if free < 100 * MIB:
        yield fail(
            "disk", f"{free // MIB} MiB are free in {path.parent}", "free some space: nothing can be stored soon"
        )
    elif free < 1024 * MIB:
        yield warn("disk", f"{free // MIB} MiB are free in {path.parent}", "free some space")
    else:
        yield ok("disk", f"{free // (1024 * MIB)} GiB are free")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        yield fail("file", f"{path} or its directory cannot be written", "give it to the user the worker runs as")
    wal = path.with_name(path.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > 256 * MIB:
        yield warn(
            "write-ahead log", f"{size // MIB} MiB", "some process reads without an end; restart web and workers"
        )
    else:
        yield ok("write-ahead log", f"{size // MIB} MiB")
