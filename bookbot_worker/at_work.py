"""The attempts of this worker between claim and settle.

Belongs to the loop; slots only call `finish`. Every attempt leaves through `settle_finished`, or through
`give_back` when the worker ends first.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from bookbot_worker.attempt import Attempt
from bookbot_worker.cancellation import StopReason
from bookbot_worker.failure_text import why_not_saved
from bookbot_worker.outcomes import Errored, Outcome, Postponed
from bookbot_worker.queue.cancel import asked_to_stop
from bookbot_worker.queue.group import Settled, settle_group
from bookbot_worker.telemetry.log_writer import LogWriter

log = structlog.get_logger()


class AtWork:
    """Which attempts run, and which have finished but are not settled yet."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._running: dict[str, Attempt] = {}
        self._finished: deque[tuple[Attempt, Outcome | None]] = deque()

    def __len__(self) -> int:
        """How many slots are in use: running, or finished and not settled."""
        return len(self._running)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """These are about to run."""
        self._running |= {attempt.job_log.claim_id: attempt for attempt in attempts}

    def finish(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """The attempt ended; `outcome` is what is left to settle, None where its slot settled it. From any thread."""
        self._finished.append((attempt, outcome))
        self._wake()

    def settle_finished(self, engine: Engine, log_writer: LogWriter) -> None:
        """Free the slots of finished attempts, and settle those that are not settled yet in one transaction.

        Raises what says that the database is away; the outcomes are kept for the next call.
        """
        unsettled: list[tuple[Attempt, Outcome]] = []
        while self._finished:
            attempt, outcome = self._finished.popleft()
            if outcome is None:
                self._forget(attempt, log_writer)
            else:
                unsettled.append((attempt, outcome))
        if not unsettled:
            return
        try:
            group = settle_group(engine, [attempt.settlement(outcome) for attempt, outcome in unsettled])
        except DBAPIError:
            self._finished.extendleft(reversed(unsettled))
            raise
        for attempt, outcome in unsettled:
            if (error := group.refused.get(attempt.job_id)) is not None and not isinstance(outcome, Errored):
                self.finish(attempt, attempt.could_not_be_saved(error))
                continue
            _report(attempt, outcome, group)
            self._forget(attempt, log_writer)

    def pass_on_cancels(self, engine: Engine, worker_id: str) -> None:
        """Ask those to stop that somebody has cancelled."""
        for claim_id in asked_to_stop(engine, worker_id):
            if claim_id in self._running:
                self._running[claim_id].stop.fire(StopReason.CANCEL)

    def stop_all(self, reason: StopReason) -> None:
        """Ask every attempt to stop."""
        for attempt in self._running.values():
            attempt.stop.fire(reason)

    def give_back(self, engine: Engine) -> None:
        """What still runs goes back to waiting, its attempt not counted; its threads can settle nothing any more.

        Raises what says that the database is away.
        """
        given_back = Postponed(timedelta(0), "the worker was shut down", returns_attempt=True)
        if leftovers := [attempt.settlement(given_back) for attempt in self._running.values()]:
            settle_group(engine, leftovers)

    def _forget(self, attempt: Attempt, log_writer: LogWriter) -> None:
        self._running.pop(attempt.job_log.claim_id, None)
        log_writer.forget(attempt.job_log)


def _report(attempt: Attempt, outcome: Outcome, group: Settled) -> None:
    if (error := group.refused.get(attempt.job_id)) is not None:
        log.error("job.unsettled", job_id=attempt.job_id, reason=why_not_saved(error))
    elif attempt.job_id not in group.settled:
        log.warning("job.lost_claim", job_id=attempt.job_id)
    elif isinstance(outcome, Errored):
        log.warning("job.settled", job_id=attempt.job_id, state="error", error=outcome.message)
