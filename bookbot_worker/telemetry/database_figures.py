"""The figures of the database as the metrics page shows them: read when asked for, and then kept for some seconds.

So that neither many askers nor a database that is away cost more than one short try every few seconds. They have a
connection of their own: a question that hangs keeps no job and no beat from one.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from shared.database import is_postgresql, make_engine, read_only
from shared.outages import reason
from shared.settings import Settings
from shared.views.metrics import load_figures

log = structlog.get_logger()

KEPT_SECONDS = 5.0
"""Prometheus asks every 15 to 60 seconds; two that ask at once share one look."""

PATIENCE = 2.0
"""Seconds the page waits for them; the figures of the worker itself must not be late for those of the database."""


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """`figures` as `load_figures` returns them, None where the database did not answer (`is_up`)."""

    figures: dict[str, Any] | None = None
    age_seconds: float = 0.0

    @property
    def is_up(self) -> bool:
        """Whether the database answered."""
        return self.figures is not None


class FigureReader:
    """Reads them. Safe from many threads; opens its one connection at the first question."""

    def __init__(self, settings: Settings, application: str) -> None:
        limit = min(settings.database_timeout_seconds, PATIENCE)
        self.engine: Engine = make_engine(settings, application=application, pool_size=1, spare=0, io_limit=limit)
        # Else a job that is claimed between two questions would be counted twice: as waiting and as running.
        moment = {"isolation_level": "REPEATABLE READ"} if is_postgresql(self.engine) else {}
        self._of_one_moment = read_only(self.engine.execution_options(**moment))
        self._lock = threading.Lock()
        self._look: threading.Thread | None = None
        self._figures: dict[str, Any] | None = None
        self._looked_at = float("-inf")
        self._is_failing = False

    def read(self) -> DatabaseFigures:
        """The figures, about KEPT_SECONDS old at most. Returns within PATIENCE, whatever the database does."""
        with self._lock:
            if self._look is None and time.monotonic() - self._looked_at >= KEPT_SECONDS:
                self._look = threading.Thread(target=self._look_now, name="metrics", daemon=True)
                self._look.start()
            look = self._look
        if look is not None:
            look.join(PATIENCE)
        with self._lock:
            if self._look is not None:
                return DatabaseFigures()
            return DatabaseFigures(self._figures, time.monotonic() - self._looked_at)

    def _look_now(self) -> None:
        figures = self._ask()
        with self._lock:
            self._figures, self._looked_at, self._look = figures, time.monotonic(), None

    def _ask(self) -> dict[str, Any] | None:
        try:
            with Session(self._of_one_moment) as session:
                figures = load_figures(session)
        except SQLAlchemyError as error:
            if not self._is_failing:  # said once, not at every question
                log.warning("metrics.database_unread", reason=reason(error))
            self._is_failing = True
            return None
        self._is_failing = False
        return figures

    def close(self) -> None:
        """Let go of the connection."""
        self.engine.dispose()
