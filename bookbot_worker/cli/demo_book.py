"""One run of the demo: its database, its two jobs, its worker, and the files at the end.

Everything goes through the same enqueue, worker and views as in production; only the place is private.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy import URL
from sqlalchemy.orm import Session

from bookbot_worker.cli.board import make_board
from bookbot_worker.cli.database import reading, writing
from bookbot_worker.cli.job_text import name_of
from bookbot_worker.cli.output import Row
from bookbot_worker.cli.saving import save_beside
from bookbot_worker.daemon import build_processor
from bookbot_worker.telemetry.logging import configure_logging
from shared import schema
from shared.database import make_engine
from shared.enqueue import create_job
from shared.errors import BookbotError, NotFound
from shared.new_book import create_book
from shared.settings import Settings, load_settings
from shared.states import JobState
from shared.views import get_book, get_job, list_descendants, newest_file

FORMATS = ("epub", "markdown")
LOOK_AGAIN_SECONDS = 0.25
DRAIN_SECONDS = 5.0


class DemoBook:
    """A book being written by a worker in this process; use it as a context manager, which stops it at the end."""

    def __init__(self, output: Path, title: str, brief: str, style: str) -> None:
        self._output = output
        self._texts = (title, brief, style)

    def __enter__(self) -> Self:
        """Set up the database, enqueue both jobs, start the worker. Raises BookbotError or OSError."""
        self._output.mkdir(parents=True, exist_ok=True)
        settings = demo_settings(self._output / "bookbot.db")
        with ExitStack() as opened:
            log = opened.enter_context((self._output / "worker.log").open("a", encoding="utf-8"))
            configure_logging(settings, log)
            opened.callback(structlog.reset_defaults)
            self._engine = make_engine(settings)
            opened.callback(self._engine.dispose)
            schema.upgrade(self._engine)
            with writing(self._engine) as session:
                self._enqueue(session)
            self._processor = build_processor(settings)
            self._processor.start()
            opened.callback(self._processor.stop)
            self._opened = opened.pop_all()
        return self

    def _enqueue(self, session: Session) -> None:
        """The book, and the two jobs that write it; the second starts everything else."""
        self._book_id = create_book(session, *self._texts).book_id
        foundation = create_job(job_type="create_foundation", book_id=self._book_id, session=session)
        session.flush()
        whole = create_job(
            job_type="generate_book",
            book_id=self._book_id,
            props={"export_formats": list(FORMATS)},
            depends_on=[foundation.job_id],
            session=session,
        )
        self._job_ids = (foundation.job_id, whole.job_id)

    def watch(self) -> str | None:
        """Show the jobs until all have ended. Returns None, or what went wrong in one sentence.

        Raises BookbotError where the worker itself died.
        """
        with make_board(err=True) as board:
            while True:
                rows = self._rows()
                board.show(rows)
                if all(JobState(row["state"]).is_terminal for row in rows):
                    break
                if self._processor.failure is not None:
                    raise BookbotError(f"the worker stopped: {self._processor.failure}")
                threading.Event().wait(LOOK_AGAIN_SECONDS)
        return problem_among(rows)

    def save(self) -> Iterator[Path]:
        """Write the finished files into the output directory, over nothing; yields each path."""
        for file_format in FORMATS:
            with reading(self._engine) as session:
                try:
                    file = newest_file(session, self._book_id, file_format)
                except NotFound:
                    continue
            yield save_beside(self._output, file["name"], file["content"])

    def words(self) -> int:
        """How many words the scenes have by now."""
        with reading(self._engine) as session:
            return int(get_book(session, self._book_id)["words"])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the worker, which gives back what runs, then close everything."""
        if error is not None:
            self._processor.request_stop()  # the second request is in `stop`: somebody waits at the keyboard
        self._opened.close()

    @property
    def stop_requests(self) -> int:
        """How often the worker was asked to stop."""
        return self._processor.stop_requests

    def _rows(self) -> list[Row]:
        with reading(self._engine) as session:
            return [
                row
                for job_id in self._job_ids
                for row in (get_job(session, job_id), *list_descendants(session, job_id))
            ]


def demo_settings(database: Path) -> Settings:
    """The settings in force, on the SQLite file `database`."""
    url = URL.create("sqlite", database=str(database)).render_as_string()
    return load_settings(database_url=url, drain_seconds=DRAIN_SECONDS, log_format="json")


def problem_among(rows: list[Row]) -> str | None:
    """The sentence about the job that went wrong first (the others are its consequences), None if all went well."""
    unhappy = [row for row in rows if row["state"] != JobState.COMPLETED]
    causes = [row for row in unhappy if row["state"] != JobState.CANCELLED] or unhappy
    if not causes:
        return None
    first = min(causes, key=lambda row: row["completed_at"])
    return f"{name_of(first)} ended as {first['state']}: {first['error_message'] or 'no reason was given'}"
