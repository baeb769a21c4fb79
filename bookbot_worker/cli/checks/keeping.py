"""What PostgreSQL keeps on its disk beside the tables: write-ahead log, and those for whom it is kept."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from bookbot_worker.cli.checks import Finding, ok, unseen, warn

MIB = 1024 * 1024
FAR_BEHIND = 1024 * MIB
"""Bytes of log. A reader that lives is no further behind for long."""

LONG_QUERY = 1_000_000
"""Transactions: some minutes of a busy queue. What died in them has to stay for as long as a standby reads."""

_LONG_READ = "end the long query that runs there, or set hot_standby_feedback = off on it"


def check_slots(session: Session) -> Iterator[Finding]:
    """Whether a replication slot keeps log or dead rows for a reader that does not come."""
    query = text(
        "SELECT slot_name, quote_literal(slot_name) AS name, slot_type, active, wal_status,"
        " pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) AS bytes, age(xmin) AS transactions"
        " FROM pg_replication_slots ORDER BY active, bytes DESC NULLS LAST, slot_name"
    )
    slots = session.execute(query).all()
    wrong = [trouble for slot in slots if (trouble := _slot_trouble(slot))]
    for detail, advice in wrong[:1]:
        more = f", and {len(wrong) - 1} more" if wrong[1:] else ""
        yield warn("replication slots", f"{detail}{more}", advice)
    if not wrong:
        yield ok("replication slots", f"{len(slots)}, all read" if slots else "none")


def _slot_trouble(slot: Row[Any]) -> tuple[str, str] | None:
    """What is wrong with it, and what to do."""
    drop = f"SELECT pg_drop_replication_slot({slot.name})"
    what = f"{slot.slot_name!r} ({slot.slot_type})"
    if slot.wal_status == "lost":
        return f"{what} has lost the log it needs", f"its reader must begin anew: {drop}"
    keeps = [] if slot.bytes is None else [f"{slot.bytes / MIB:.0f} MiB of log"]
    if slot.transactions is not None:
        keeps.append(f"what died in the last {slot.transactions} transactions")
    if not slot.active and keeps:
        return (
            f"nobody reads {what}, which keeps {' and '.join(keeps)}; it grows until the disk is full",
            f"start its reader; if there is none any more: {drop}",
        )
    if slot.bytes is not None and slot.bytes > FAR_BEHIND:
        return (
            f"the reader of {what} is {slot.bytes / MIB:.0f} MiB behind",
            "see what holds it up, before the disk is full",
        )
    if slot.transactions is not None and slot.transactions > LONG_QUERY:
        return f"the reader of {what} keeps what died in the last {slot.transactions} transactions", _LONG_READ
    return None


def check_standbys(session: Session) -> Iterator[Finding]:
    """Whether a standby that gives feedback, and has no slot, keeps dead rows for what it reads."""
    query = text(
        "SELECT pid, coalesce(application_name, '') AS name, age(backend_xmin) AS transactions FROM pg_stat_activity"
        " WHERE datname IS NULL AND backend_xmin IS NOT NULL AND coalesce(backend_type, 'walsender') = 'walsender'"
        " ORDER BY transactions DESC LIMIT 1"
    )
    worst = session.execute(query).one_or_none()
    if worst is None or worst.transactions <= LONG_QUERY:
        yield ok("standbys", "none keeps dead rows for long")
        return
    kept = f"what died in the last {worst.transactions} transactions"
    yield warn("standbys", f"{worst.name!r} (session {worst.pid}) keeps {kept}", _LONG_READ)


def check_log(session: Session) -> Iterator[Finding]:
    """Whether there is more write-ahead log than the server means to keep."""
    may = "SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE') AS may, quote_ident(current_user) AS me"
    role = session.execute(text(may)).one()
    if not role.may:
        yield unseen("write-ahead log", "how much there is, is not shown", role.me)
        return
    query = text("SELECT sum(size), pg_size_bytes(current_setting('max_wal_size')) FROM pg_ls_waldir()")
    size, most = session.execute(query).one()
    if size > 2 * most:
        yield warn(
            "write-ahead log", f"{size / MIB:.0f} MiB, and the server means to keep {most / MIB:.0f}",
            "see replication slots above, pg_stat_archiver for an archive_command that fails, and wal_keep_size",
        )  # fmt: skip
    else:
        yield ok("write-ahead log", f"{size / MIB:.0f} MiB")


def check_archive(session: Session) -> Iterator[Finding]:
    """Whether the server can put its log away where it is told to. What it cannot it keeps."""
    query = text(
        "SELECT current_setting('archive_mode') <> 'off' AS is_on, extract(epoch FROM now() - last_failed_time) AS ago,"
        " coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS fails FROM pg_stat_archiver"
    )
    found = session.execute(query).one()
    if found.is_on and found.fails:
        yield warn(
            "archive", f"archive_command failed {found.ago:.0f} s ago; log is kept until it succeeds",
            "see the server's log for what it says, and SHOW archive_command",
        )  # fmt: skip
    else:
        yield ok("archive", "no log waits for it" if found.is_on else "none is asked for")


def check_size(session: Session) -> Iterator[Finding]:
    """How large the database is. How full the disk is, no server tells."""
    size = session.scalars(text("SELECT pg_database_size(current_database())")).one()
    yield ok("size", f"the database takes {size / MIB:.0f} MiB; how full the server's disk is, it does not tell")
