"""Stores the lines of running jobs while they run: one short transaction for all of them, every half second.

Only lines of a claim that is running are stored, so that a worker which lost a job cannot write into its next
run. No NOTIFY: it would take a database-wide lock for every line; readers poll.
"""

import threading
from datetime import timedelta

import structlog
from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import DBAPIError

from bookbot_worker.telemetry.joblog import JobLog, LogLine
from bookbot_worker.telemetry.live_text import remove_old_texts, store_texts
from shared.models import JOB_LOGS, Job
from shared.rows import insert_rows
from shared.states import JobState

log = structlog.get_logger()

Taken = tuple[JobLog, list[LogLine], tuple[float, str | None] | None]


class LogWriter:
    """A thread with one duty; `run_once` is that duty, for tests and for the last time."""

    def __init__(self, engine: Engine, interval: timedelta) -> None:
        self._engine = engine
        self._interval = interval
        self._logs: dict[str, JobLog] = {}
        self._lock = threading.Lock()
        self._is_delayed = False
        self._has_old_texts = True  # what a worker that was killed has left
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        """Begin to store lines."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the transaction in progress."""
        self._stop.set()
        self._thread.join(timeout=5)

    def watch(self, job_log: JobLog) -> None:
        """Store this log's lines from now on; called at its first line."""
        with self._lock:
            self._logs[job_log.claim_id] = job_log

    def forget(self, job_log: JobLog) -> None:
        """The job is settled or lost."""
        with self._lock:
            self._logs.pop(job_log.claim_id, None)
        if job_log.live_text is not None and job_log.live_text.was_stored:
            self._has_old_texts = True

    def run_once(self) -> None:
        """Store what is new. Lines that cannot be stored now are kept."""
        with self._lock:
            logs = sorted(self._logs.values(), key=lambda job_log: job_log.job_id)  # rows are locked in this order
        taken = [(job_log, *news) for job_log in logs if (news := job_log.take()) is not None]
        if self._has_old_texts:
            self._remove_old_texts()
        if not taken:
            return
        is_safe = False
        try:
            with self._engine.begin() as connection:
                _store(connection, taken)
            is_safe = True
        except DBAPIError as error:
            if not self._is_delayed:  # said once, not at every try of an outage
                log.warning("joblog.delayed", reason=str(error.orig).split("\n")[0], jobs=len(taken))
        finally:
            self._is_delayed = not is_safe
            for job_log, lines, progress in taken:
                job_log.stored(lines, progress, is_safe=is_safe)

    def _remove_old_texts(self) -> None:
        """At the next time, where the database does not let us: nobody is shown the text of a claim that is over."""
        self._has_old_texts = False
        try:
            with self._engine.begin() as connection:
                remove_old_texts(connection)
        except DBAPIError:
            self._has_old_texts = True

    def _run(self) -> None:
        while not self._stop.wait(self._interval.total_seconds()):
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 - a service's boundary; settle stores the lines all the same
                log.error("joblog.failed", reason=f"{type(error).__name__}: {error}")


def insert_lines(connection: Connection, lines: list[LogLine]) -> None:
    """Insert lines; those stored already (a commit in doubt) are left alone."""
    insert_rows(connection, JOB_LOGS, [line.row() for line in lines], skips_known=True)


def _store(connection: Connection, taken: list[Taken]) -> None:
    """The rows are held until the lines are in: between a look and the insert, a rescue could end the run."""
    running = set(
        connection.scalars(
            select(Job.claim_id)
            .where(
                Job.job_id.in_([job_log.job_id for job_log, _, _ in taken]),
                Job.state == JobState.RUNNING,
            )
            .order_by(Job.job_id)
            .with_for_update(read=True)
        )
    )
    ours = [item for item in taken if item[0].claim_id in running]
    insert_lines(connection, [line for _, lines, _ in ours for line in lines])
    texts = (job_log.live_text for job_log, _, _ in ours)
    store_texts(connection, [text for text in texts if text is not None and text.has_news()])
    for job_log, _, progress in ours:
        if progress is not None:
            connection.execute(
                update(Job)
                .where(Job.job_id == job_log.job_id, Job.claim_id == job_log.claim_id, Job.state == JobState.RUNNING)
                .values(progress=progress[0], progress_message=progress[1])
            )
