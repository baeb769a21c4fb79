"""The rows of circuit breakers, which all workers share. What they mean is decided in `breaker.py`."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bookbot_worker.llm.breaker import Circuit, Policy, after_failure, without_probe
from shared.clock import db_now
from shared.database import is_postgresql
from shared.models import Base, LlmCircuit

CIRCUITS = Base.metadata.tables[LlmCircuit.__tablename__]


def read_circuit(connection: Connection, provider: str, model: str, *, lock: bool = False) -> Circuit | None:
    """The circuit of a model, None where all is well; `lock` keeps others from changing it meanwhile."""
    query = select(CIRCUITS).where(CIRCUITS.c.provider == provider, CIRCUITS.c.model == model)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    return Circuit(
        row.failures, row.openings, row.failed_at, row.reason, row.open_until, row.probe_call_id, row.probe_until
    )


def write_circuit(connection: Connection, provider: str, model: str, circuit: Circuit) -> None:
    """Store it over the row that was read."""
    row = update(CIRCUITS).where(CIRCUITS.c.provider == provider, CIRCUITS.c.model == model)
    connection.execute(row.values(**_values(circuit)))


def close_circuit(connection: Connection, provider: str, model: str) -> None:
    """The provider has answered: all is well."""
    connection.execute(delete(CIRCUITS).where(CIRCUITS.c.provider == provider, CIRCUITS.c.model == model))


def count_failure(
    connection: Connection,
    provider: str,
    model: str,
    policy: Policy,
    reason: str,
    retry_after: timedelta | None,
    call_id: str,
) -> Circuit:
    """One more failure of the provider's; returns the circuit as it is now."""
    now = time_of(connection)
    none_yet = Circuit(failures=0, openings=0, failed_at=now, reason=reason)
    dialect = postgresql if is_postgresql(connection) else sqlite
    insert = dialect.insert(CIRCUITS).values(provider=provider, model=model, **_values(none_yet))
    connection.execute(insert.on_conflict_do_nothing())
    circuit = read_circuit(connection, provider, model, lock=True)
    changed = after_failure(circuit, policy, reason, now, retry_after, call_id)
    write_circuit(connection, provider, model, changed)
    return changed


def let_probe_go(connection: Connection, provider: str, model: str, call_id: str) -> None:
    """A call ended without a word about the provider: if it was the probe, another may try."""
    circuit = read_circuit(connection, provider, model, lock=True)
    if circuit is not None and (changed := without_probe(circuit, call_id)) is not None:
        write_circuit(connection, provider, model, changed)


def time_of(connection: Connection) -> datetime:
    """The database's clock."""
    now: datetime | None = connection.scalar(select(db_now()))
    assert now is not None  # noqa: S101 - a clock has always an answer
    return now


def _values(circuit: Circuit) -> dict[str, object]:
    return {
        "failures": circuit.failures,
        "openings": circuit.openings,
        "failed_at": circuit.failed_at,
        "open_until": circuit.open_until,
        "probe_call_id": circuit.probe_call_id,
        "probe_until": circuit.probe_until,
        "reason": circuit.reason,
    }
