"""What a job wrote, found by comparing the whole database before and after it. For small databases only."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, inspect, select

from bookbot_worker.testing.performed import Write
from shared.database import read_only
from shared.models import Base

MOST_ROWS = 10_000
"""Of one table. More than a test would write; a database that holds them is none to try jobs on."""

OF_THE_ENGINE = frozenset({"alembic_version", "schema_info", "workers", "job_logs", "llm_calls", "llm_circuits"})
"""Tables whose rows are not what a job wrote; a test is told of its log and its calls otherwise."""

BOOKKEEPING = frozenset({"revision", "locked_by_job_id", "locked_at"})
"""Columns that change with every write, or only while a job runs."""

Row = dict[str, Any]
Snapshot = Mapping[str, Mapping[tuple[Any, ...], Row]]


def snapshot(engine: Engine) -> Snapshot:
    """Every row of every table, by table and primary key. Raises ValueError where a table is too large."""
    found: dict[str, dict[tuple[Any, ...], Row]] = {}
    with read_only(engine).connect() as connection:
        for table in _tables(connection):
            rows = [dict(row) for row in connection.execute(select(table).limit(MOST_ROWS + 1)).mappings()]
            if len(rows) > MOST_ROWS:
                raise ValueError(f"{table.name} has more than {MOST_ROWS} rows; try jobs on a small database")
            keys = [column.name for column in table.primary_key] or list(table.columns.keys())
            found[table.name] = {tuple(repr(row[key]) for key in keys): row for row in rows}
    return found


def differences(before: Snapshot, after: Snapshot, but_not: str) -> Iterator[Write]:
    """What was added, changed and deleted. `but_not`: the job itself, whose row is the engine's."""
    for table in sorted(before.keys() | after.keys()):
        old, new = before.get(table, {}), after.get(table, {})
        for key in [*new, *(key for key in old if key not in new)]:
            is_itself = table == "jobs" and (new.get(key) or old[key])["job_id"] == but_not
            if not is_itself and (write := _compare(table, old.get(key), new.get(key))) is not None:
                yield write


def _compare(table: str, old: Row | None, new: Row | None) -> Write | None:
    if old is None or new is None:
        return Write(table, "deleted" if new is None else "added", dict(new or old or {}), {})
    changes = {
        name: (old.get(name), value)
        for name, value in new.items()
        if name not in BOOKKEEPING and old.get(name) != value
    }
    return Write(table, "changed", dict(new), changes) if changes else None


def _tables(connection: Connection) -> list[Table]:
    """Ours as the models know them, and whatever else is there."""
    names = [name for name in inspect(connection).get_table_names() if name not in OF_THE_ENGINE]
    known = Base.metadata.tables
    others = MetaData()
    return [known[name] if name in known else Table(name, others, autoload_with=connection) for name in names]
