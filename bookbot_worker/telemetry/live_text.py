"""The answer an LLM is giving at this moment, for people who watch: written and removed by the log writer.

A window, never the truth: what is paid for is in the ledger, what was written in the book. So it may be late, cut, or
missing, and nothing waits for it. A job that asks no LLM has none, and costs nothing.
"""

import threading
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from shared.clock import db_now
from shared.database import is_postgresql
from shared.models import IS_RUNNING, Job, JobLiveText
from shared.text import clean

TEXT_LIMIT = 100_000
"""Characters kept of one answer: the last ones."""


class LiveText:
    """The answers of one claim, one after the other. The job's threads write, the log writer reads."""

    def __init__(self, job_id: str, claim_id: str) -> None:
        self._ids = {"job_id": job_id, "claim_id": claim_id}
        self._lock = threading.Lock()
        self._call = 0
        self._cut = 0
        self._pieces: list[str] = []
        self._heard = 0
        self._taken = self._stored = (0, 0)
        self.was_stored = False

    def turn(self) -> None:
        """Another answer begins; the one before is shown no more once this one's first piece has come."""
        with self._lock:
            self._call += 1
            self._cut, self._heard, self._pieces = 0, 0, []

    def add(self, piece: str) -> None:
        """A piece of the answer has come."""
        with self._lock:
            self._pieces.append(piece)
            self._heard += len(piece)

    def has_news(self) -> bool:
        """Whether something came since `stored`."""
        return self._heard > 0 and (self._call, self._heard) != self._stored

    def row(self) -> dict[str, Any]:
        """The row to store now."""
        with self._lock:
            text = "".join(self._pieces)
            if len(text) > TEXT_LIMIT:
                self._cut += len(text) - TEXT_LIMIT
                text = text[-TEXT_LIMIT:]
            self._pieces = [text]
            self._taken = (self._call, self._heard)
            return self._ids | {"call": self._call, "cut": self._cut, "text": clean(text, TEXT_LIMIT)}

    def stored(self) -> None:
        """The last `row` is in the database."""
        self._stored = self._taken
        self.was_stored = self._taken != (0, 0)


def store_texts(connection: Connection, texts: Sequence[LiveText]) -> None:
    """Write what is new. The caller holds the jobs' rows, so that all of these claims are running."""
    if not texts:
        return
    dialect = postgresql if is_postgresql(connection) else sqlite
    insert = dialect.insert(JobLiveText)
    changed = {name: insert.excluded[name] for name in ("claim_id", "call", "cut", "text")}
    statement = insert.on_conflict_do_update(index_elements=["job_id"], set_=changed | {"updated_at": db_now()})
    connection.execute(statement, [text.row() for text in texts])


def remove_old_texts(connection: Connection) -> None:
    """Remove what no running claim has written: of jobs that ended, also of those whose worker is dead.

    The table holds a row for each job that runs and asks; looking at all of them is looking at few.
    """
    is_running = select(1).where(Job.job_id == JobLiveText.job_id, Job.claim_id == JobLiveText.claim_id, IS_RUNNING)
    connection.execute(delete(JobLiveText).where(~is_running.exists()))
