"""A database copied into an empty one, such as from SQLite to PostgreSQL when a second machine is to work.

It reads one moment of the source and writes one transaction of the target: all rows or none. Rows of workers stay
behind, since a worker belongs to its database; jobs that died with one are rescued in the target like any orphan.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from shared.clock import db_now
from shared.errors import Conflict
from shared.models import Base, JobLiveText, SchemaInfo, Worker

LEFT_BEHIND = frozenset({SchemaInfo.__tablename__, Worker.__tablename__, JobLiveText.__tablename__})
"""What the target has of its own, and what lives no longer than a run."""

BATCH = 500
FILES_BATCH = 4
"""Rows of `output_files` hold whole books and pictures: a few at a time stay in memory."""


def copied_tables() -> list[Table]:
    """The tables in the order of their foreign keys."""
    return [table for table in Base.metadata.sorted_tables if table.name not in LEFT_BEHIND]


def copy(source: Connection, target: Connection) -> dict[str, int]:
    """Rows copied by table. The caller commits the target.

    Raises Conflict, with nothing written, where the target holds anything or a worker works on the source.
    """
    _refuse_work_in_progress(source)
    _refuse_rows(target)
    counts = {table.name: _copy_table(table, source, target) for table in copied_tables()}
    for table in copied_tables():
        if (found := _count(target, table)) != counts[table.name]:
            raise Conflict(f"{table.name}: {counts[table.name]} rows were read, {found} arrived; nothing was kept")
    return counts


def _copy_table(table: Table, source: Connection, target: Connection) -> int:
    count = 0
    for rows in _batches(table, source):
        target.execute(insert(table), rows)
        count += len(rows)
    return count


def _batches(table: Table, source: Connection) -> Iterator[list[dict[str, Any]]]:
    length = FILES_BATCH if table.name == "output_files" else BATCH
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=length)
    for rows in source.execute(query).mappings().partitions(length):
        yield [dict(row) for row in rows]


def _refuse_work_in_progress(source: Connection) -> None:
    """A job that ran in both databases would ask, and pay, twice."""
    is_live = (Worker.state != "stopped") & (Worker.lease_until > db_now())
    if name := source.scalar(select(Worker.name).where(is_live).limit(1)):
        raise Conflict(f"the worker {name!r} works on the source; stop it first (SIGTERM), then copy")


def _refuse_rows(target: Connection) -> None:
    for table in [*copied_tables(), Base.metadata.tables[Worker.__tablename__]]:
        if target.execute(select(table.primary_key.columns[0]).limit(1)).first() is not None:
            raise Conflict(f"the target is not empty: {table.name} has rows; nothing was copied")


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
