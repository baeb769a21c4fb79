"""The process log: structlog to stderr, for people on a terminal, JSON for journald.

Events, not sentences. The names in use:

| event | when |
|---|---|
| worker.started / worker.stopping / worker.stopped | the daemon's life |
| worker.paused / worker.resumed | SIGUSR2: it claims nothing more, or again |
| worker.asked | somebody asks it to pause, to go on or to drain: `bookbot-worker workers pause` |
| worker.cannot_work / worker.works_again | what keeps it from working, and its end |
| worker.recycling | it ends so that a new process takes over: slots were lost, or a newer version is needed |
| worker.outdated | the database was migrated, and asks for newer workers |
| worker.forced_exit | it did not end by itself in the time it has, and was ended |
| worker.failed | what ended a worker that runs in a thread of another program |
| worker.waits | with --until-empty: for which job, and which worker runs it (none: it waits) |
| job.claimed / job.settled / job.lost_claim | the engine's three acts on a job |
| job.timeout / job.fenced_out | it runs too long; it did not stop when asked, and was given up |
| job.closer_failed | what a job wanted closed when it is asked to stop could not be |
| request.carried_out / request.refused | what the web asked for, a cancel or a retry, was done, or could not be |
| schedule.ticked | a tick of a schedule was due, and its job is in the queue |
| job.rescued | it was taken from a worker that is dead |
| job.settle_delayed / job.commit_confirmed | the database was away at its end; an answer was lost, not the commit |
| job.unsettled | not even the failure of a job could be stored: it stays `running`; report this |
| job.log | a line written with `self.log` |
| llm.waits | a call may not leave now, and its job goes back to waiting: a budget, a limit, a paused provider |
| llm.ledger_delayed / llm.entry_lost | the ledger cannot be written, which is tried again, or given up |
| session.ended | a dead worker had left a transaction open on the server, and locks with it |
| claim.in_doubt | jobs were claimed, the answer was lost: they were given back |
| beat.missed / beat.back | the worker could not say that it lives, and can again |
| database.unreachable / database.back / listen.lost | trouble with the database, and its end |
| listen.unavailable | a pooler stands between: jobs are found by polling |
| joblog.delayed / joblog.failed | log lines could not be stored yet; they are kept |
| llm.answer_cut_short | a model ended its answer early: `finish_reason` says whether by length or by a filter |
| llm.options_refused | a server does not take these options for this model; it is asked without them from now on |
| service.failed | a turn of a periodic service failed; the next one comes |
"""

import contextlib
import logging
import sys
from typing import Any, TextIO

import structlog

from shared.settings import Settings
from shared.text import visible


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Send structured events to `stream` (stderr) in the format and from the level the settings ask for."""
    target = stream or sys.stderr
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not target.isatty())
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else _harmless,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        logger_factory=lambda *_: _Lines(target),
        cache_logger_on_first_use=False,
    )


class _Lines:
    """Writes lines to a stream. A log that nobody reads any more, or that fits no disk, must not fail a job."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


def _harmless(_logger: Any, _method: str, event: Any) -> Any:
    """What jobs log must not drive the terminal of whoever watches the worker; JSON escapes it by itself."""
    return {name: visible(value) if isinstance(value, str) else value for name, value in event.items()}
