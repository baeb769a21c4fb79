"""What must be true of a database after the dust has settled: questions whose answer must be no rows at all.

`check` asks all of them once. `watch` asks, again and again while faults fly, those that must hold at every moment.
The questions themselves are in `invariant_queries.py`.
"""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import DBAPIError

from shared.database import is_postgresql, read_only
from tests.support import invariant_queries as queries
from tests.support.running import eventually

Rows = dict[str, list[Any]]
ROWS_SHOWN = 10


def check(
    engine: Engine,
    *,
    m: int = 3,
    all_terminal: bool = True,
    ids: Iterable[str] = (),
    idle_seconds: float = 5.0,
    patience: float = 10.0,
) -> None:
    """Raises AssertionError that names every broken invariant, with the rows that break it.

    `m`: the effects of a completed job whose props do not say. `all_terminal`: no job waits or runs any more. `ids`:
    of jobs whose enqueue was acknowledged. Sessions of dead workers have `patience` seconds to go away.
    """
    asked = queries.always() | queries.at_rest(m)
    if all_terminal:
        asked |= queries.at_the_end()
    broken = _ask(engine, asked)
    if lost := set(ids) - _ids(engine):
        broken["I1 every job whose enqueue was acknowledged exists"] = sorted(lost)
    if is_postgresql(engine):
        with contextlib.suppress(AssertionError):
            eventually(lambda: not _ask(engine, queries.of_sessions(idle_seconds)), patience)
        broken |= _ask(engine, queries.of_sessions(idle_seconds))
    assert not broken, _tell(broken)


class watch:  # noqa: N801 - reads as the act it is
    """`with watch(engine):` samples what must hold at every moment, and raises at the end of the block.

    The engine must lead to the server itself, not through what a test breaks. While the server is away nothing is
    seen. `idle_seconds`: how long a session may be idle in a transaction, None where a fault makes it so.
    """

    def __init__(self, engine: Engine, *, idle_seconds: float | None = 5.0) -> None:
        self.samples = 0
        self._engine = engine
        self._asked = queries.always()
        if is_postgresql(engine) and idle_seconds is not None:
            self._asked |= queries.of_transactions(idle_seconds)
        self._broken: Rows = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="watches-invariants", daemon=True)

    def __enter__(self) -> "watch":
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._is_over.set()
        self._thread.join(20)
        told = _tell(self._broken) if self._broken else ""
        if error is not None and told:
            error.add_note(told)
        elif error is None:
            assert not self._thread.is_alive(), "the watch hangs: is the server still frozen?"
            assert not told, told

    def _sample(self) -> None:
        pause = 0.0
        while not self._is_over.wait(pause):
            started = time.monotonic()
            with contextlib.suppress(DBAPIError):
                for name, rows in _ask(self._engine, self._asked).items():
                    self._broken.setdefault(f"{name}, seen while faults flew", rows)
                self.samples += 1
            pause = max(0.05, 3 * (time.monotonic() - started))  # a quarter of one core at most


def _ask(engine: Engine, asked: queries.Questions) -> Rows:
    with _snapshot(engine) as connection:
        answers = {name: connection.execute(question).all() for name, question in asked.items()}
    return {name: list(rows) for name, rows in answers.items() if rows}


def _ids(engine: Engine) -> set[str]:
    with _snapshot(engine) as connection:
        return set(connection.scalars(queries.ALL_IDS))


@contextlib.contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """All questions are asked of one moment."""
    if is_postgresql(engine):
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with read_only(engine).connect() as connection:
        yield connection


def _tell(broken: Rows) -> str:
    lines = []
    for name, rows in broken.items():
        lines.append(f"broken: {name} ({len(rows)})")
        lines += [f"  {_readable(row)}" for row in rows[:ROWS_SHOWN]]
    return "\n".join(lines)


def _readable(row: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in row._mapping.items()) if isinstance(row, Row) else str(row)
