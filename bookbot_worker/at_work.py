"""The attempts of this worker between claim and settle.

Belongs to the loop; slots only call `finish` and `came_back`, the supervisor only `enforce_deadlines`. Every attempt
leaves through `settle_finished`, or through `give_back` when the worker ends first.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.attempt import Attempt
from bookbot_worker.cancellation import StopReason
from bookbot_worker.endings import report, without_its_work
from bookbot_worker.failpoints import reach
from bookbot_worker.lease import boot_clock
from bookbot_worker.meter import Meter
from bookbot_worker.outcomes import Errored, Outcome, Postponed
from bookbot_worker.overdue import Step, next_step
from bookbot_worker.queue.group import settle_group
from bookbot_worker.queue.workers import Beat
from bookbot_worker.telemetry.log_writer import LogWriter

log = structlog.get_logger()


class AtWork:
    """Which attempts run, which have finished but are not settled yet, and which threads are lost."""

    def __init__(self, wake: Callable[[], None], grace: float) -> None:
        self.meter = Meter()
        self._wake = wake
        self._grace = grace
        self._running: dict[str, Attempt] = {}
        self._finished: deque[tuple[Attempt, Outcome | None]] = deque()
        self._ended = 0
        self._leaked: dict[str, Attempt] = {}
        self._returned: deque[Attempt] = deque()
        self._look_at = float("inf")
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many slots are in use: running, finished and not settled, or lost to a thread that does not stop."""
        return len(self._running) + len(self._leaked)

    def free(self, slots: int) -> int:
        """How many more attempts `slots` threads can take: those that wait to be settled need none.

        But of those there may be as many as slots: while they cannot be settled, no more are claimed.
        """
        with self._lock:
            return min(slots - len(self) + self._ended, 2 * slots - len(self))

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to settle."""
        return not self._running

    @property
    def has_ends(self) -> bool:
        """Whether `settle_finished` has something to do."""
        return bool(self._finished or self._returned)

    @property
    def leaked(self) -> int:
        """Slots whose thread was fenced out and has not come back."""
        return len(self._leaked)

    @property
    def runs_a_suspect(self) -> bool:
        """Whether one of the jobs has lost its worker so often that it may be the cause."""
        with self._lock:
            return any(attempt.is_suspect for attempt in self._running.values())

    def add(self, attempts: Sequence[Attempt]) -> None:
        """These are about to run."""
        self.meter.claimed([attempt.job for attempt in attempts])
        with self._lock:
            for attempt in attempts:
                self._running[attempt.claim_id] = attempt
                self._look_at = min(self._look_at, attempt.opened_at + attempt.job_type.timeout.total_seconds())

    def finish(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """The attempt ended; `outcome` is what is left to settle, None where its slot settled it. From any thread.

        Wakes nobody: the slots say when there is something to look at.
        """
        self._put(attempt, outcome)

    def came_back(self, attempt: Attempt) -> None:
        """The thread of an attempt that was fenced out has ended after all. From any thread."""
        self._returned.append(attempt)

    def settle_finished(self, engine: Engine, log_writer: LogWriter) -> bool:
        """Free the slots of finished attempts, and settle those that are not settled yet in one transaction.

        Returns whether the database was asked. Raises what says that it is away; the outcomes are kept for the next
        call.
        """
        while self._returned:
            self._leaked.pop(self._returned.popleft().claim_id, None)
        unsettled: list[tuple[Attempt, Outcome]] = []
        while self._finished:
            attempt, outcome = self._finished.popleft()
            if outcome is None:
                self._forget(attempt, log_writer)
            else:
                unsettled.append((attempt, outcome))
        if not unsettled:
            return False
        try:
            group = settle_group(engine, [attempt.settlement(outcome) for attempt, outcome in unsettled])
        except SQLAlchemyError:
            self._finished.extendleft(reversed(unsettled))
            raise
        for attempt, outcome in unsettled:
            error = group.refused.get(attempt.job_id)
            if error is not None and not attempt.is_bare:
                is_first = not isinstance(outcome, Errored)
                with self._lock:
                    self._ended -= 1
                self.finish(attempt, attempt.could_not_be_saved(error) if is_first else attempt.stripped(error))
                self._wake()
                continue
            report(attempt, outcome, group)
            if attempt.job_id in group.settled or attempt.job_id in group.confirmed:
                attempt.settled_as = outcome
            self._forget(attempt, log_writer)
        return True

    def heed(self, beat: Beat, sent_at: float) -> dict[str, str]:
        """Compare with what the database says runs here: stop what was cancelled or lost.

        Returns claims (claim_id → job_id) that are ours by name and that nobody here knows: their claim was committed
        and its answer lost. Only the loop claims, so none of them can be one it has yet to hear of.
        """
        for claim_id, attempt in self._running.items():
            if claim_id in beat.cancelled:
                self._ask(attempt, StopReason.CANCEL)
            elif claim_id in beat.claims or attempt.is_ending or attempt.stop.reason is not None:
                continue
            elif attempt.opened_at < sent_at:
                log.warning("job.lost_claim", job_id=attempt.job_id)
                self._ask(attempt, StopReason.LOST)
        return {claim: job for claim, job in beat.claims.items() if claim not in self._running}

    def pass_on_cancels(self, claim_ids: Iterable[str]) -> None:
        """Ask those to stop that somebody has cancelled."""
        for claim_id in claim_ids:
            if claim_id in self._running:
                self._ask(self._running[claim_id], StopReason.CANCEL)

    def enforce_deadlines(self) -> None:
        """Ask those to stop that run too long, and fence out those that do not stop. By the supervisor's thread."""
        now = boot_clock()
        if now < self._look_at:
            return
        with self._lock:
            self._look_at = float("inf")
            running = list(self._running.values())
        for attempt in running:
            step, again = next_step(
                ran=now - attempt.opened_at,
                timeout=attempt.job_type.timeout.total_seconds(),
                reason=attempt.stop.reason,
                asked=now - attempt.stop.fired_at,
                grace=self._grace,
            )
            self._look_again(now + again)
            if step is Step.ASK:
                log.warning("job.timeout", job_id=attempt.job_id, job_type=attempt.job_type.name)
                attempt.stop.fire(StopReason.TIMEOUT)
            elif step is Step.FENCE:
                self._fence_out(attempt)

    def seconds_to_next_deadline(self) -> float:
        """How long nothing has to be enforced."""
        return max(self._look_at - boot_clock(), 0.0)

    def stop_all(self, reason: StopReason) -> None:
        """Ask every attempt to stop."""
        for attempt in self._running.values():
            attempt.stop.fire(reason)

    def give_back(self, engine: Engine) -> None:
        """What still runs goes back to waiting, its attempt not counted; its threads can settle nothing any more.

        Raises what says that the database is away.
        """
        given_back = Postponed(timedelta(0), "the worker was shut down", returns_attempt=True)
        leftovers = [attempt for attempt in self._running.values() if attempt.takes_the_end()]
        for attempt in leftovers:
            attempt.fence()  # else what it has sent would keep its rows locked against us
        if leftovers:
            reach("release.sent")
            settle_group(engine, [attempt.settlement(given_back) for attempt in leftovers])

    def _ask(self, attempt: Attempt, reason: StopReason) -> None:
        attempt.stop.fire(reason)
        self._look_again(boot_clock() + self._grace)

    def _look_again(self, at: float) -> None:
        with self._lock:
            self._look_at = min(self._look_at, at)

    def _fence_out(self, attempt: Attempt) -> None:
        if not attempt.takes_the_end():
            return  # it is being settled right now
        log.error("job.fenced_out", job_id=attempt.job_id, reason=attempt.stop.reason)
        attempt.fence()
        self._leaked[attempt.claim_id] = attempt
        self._put(attempt, without_its_work(attempt))
        self._wake()

    def _put(self, attempt: Attempt, outcome: Outcome | None) -> None:
        with self._lock:
            self._ended += 1
        self._finished.append((attempt, outcome))

    def _forget(self, attempt: Attempt, log_writer: LogWriter) -> None:
        with self._lock:
            self._running.pop(attempt.claim_id, None)
            self._ended -= 1
        log_writer.forget(attempt.job_log)
        self.meter.ended(
            attempt.job_type.name, attempt.settled_as, boot_clock() - attempt.opened_at, attempt.job_log.written
        )
