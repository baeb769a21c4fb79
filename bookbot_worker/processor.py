"""The heart of the system: claim jobs, execute each, settle it. Startup, cycle, shutdown.

One thread (the loop) claims jobs and settles groups; slots run the jobs. `_process_job` is the whole life of
one job, in named steps. The processor knows no concrete job type, no LLM and no exporter: it is given them.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.at_work import AtWork
from bookbot_worker.attempt import Attempt
from bookbot_worker.cancellation import StopReason
from bookbot_worker.change_hints import Hint
from bookbot_worker.condition import STUCK_FACTOR, Condition
from bookbot_worker.departure import Departure
from bookbot_worker.failure_text import format_trace
from bookbot_worker.in_background import InBackground
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.jobs.registry import Registry
from bookbot_worker.lease import Lease
from bookbot_worker.outage import Outage
from bookbot_worker.outcomes import Errored, Outcome, keeps_writes
from bookbot_worker.overdue import must_recycle
from bookbot_worker.pace import ClaimPace, Pace
from bookbot_worker.parts import Parts
from bookbot_worker.queue.ageing import claim_in_turn
from bookbot_worker.queue.cancel import asked_to_stop
from bookbot_worker.queue.rescue import give_back_unknown
from bookbot_worker.settling import settle_with_writes
from bookbot_worker.until_empty import UntilEmpty
from bookbot_worker.wakeup import Wakeup
from shared import schema
from shared.settings import Settings, load_settings

log = structlog.get_logger()


class JobProcessor(InBackground):
    """Runs jobs of the registered types until it is asked to stop.

    `run()` blocks; `start()` and `stop()` do the same in a thread of their own, for a development server. `exit_code`
    is what a process should end with: 0, 75 (start a new one), 78 (a newer version is needed).
    """

    def __init__(self, settings: Settings | None = None, llm: Any = None) -> None:
        self.settings = settings or load_settings()
        self.registry = Registry()
        self.wakeup = Wakeup()
        self.lease = Lease(self.settings.lease_seconds)
        stuck_after = STUCK_FACTOR * self.settings.database_timeout_seconds
        self.condition = Condition(self.lease, self.wakeup.wake, stuck_after)
        self.stop_requests = 0
        self.exit_code = 0
        self._llm = llm
        self._at_work = AtWork(self.wakeup.wake, self.settings.stop_grace_seconds)
        self._outage = Outage(self.condition)
        self._leaving = threading.Event()
        self._claims = ClaimPace(time.monotonic)
        self._looks_for_cancels = Pace(self.settings.poll_seconds, time.monotonic)
        self._until_empty = UntilEmpty()

    def register(self, name: str, job_class: type[BaseJob]) -> None:
        """Run jobs of type `name` with `job_class`. Raises ConfigurationError where the two do not fit."""
        self.registry.add(name, job_class)

    def request_stop(self) -> None:
        """Finish what runs and end; a second request does not wait for it. Safe from any thread."""
        self.stop_requests += 1
        self.wakeup.wake()

    def toggle_pause(self) -> None:
        """From the loop's next turn on claim nothing more, or claim again. Running jobs go on. Safe from any thread."""
        self.condition.wants_pause = not self.condition.wants_pause
        self.wakeup.wake()

    # The daemon in three verbs

    def run(self, *, until_empty: bool = False) -> None:
        """Work until asked to stop, or nothing is left to do. Raises SchemaMismatch or ConfigurationError at first."""
        self.startup()
        try:
            while not self._must_end:
                delay = self.cycle()
                if until_empty and self._is_empty():
                    break
                self._sleep(delay)
        finally:
            self.shutdown()

    def startup(self) -> None:
        """Open the database, check the schema, announce this worker, start the threads."""
        self.parts = Parts(self.settings, self.registry, self.condition, self._at_work, self._process_job, self._llm)
        self.wakeup.hints = self.parts.start()
        log.info("worker.started", worker_id=self.parts.worker_id, concurrency=self.settings.concurrency)

    def cycle(self) -> float:
        """One turn: heed the beat, settle what has finished and fill the free slots. Returns the seconds to wait."""
        self.condition.turn_begins()
        if self.condition.heeds_pause():
            self.parts.heartbeat.nudge()
        try:
            has_heard = self._heed_beat()
            self._pass_on_cancels()
            with self.parts.aside.doing(self._settle, needed=self._at_work.has_ends) as has_settled:
                claimed = self._claim()
                self._at_work.add(claimed)
                self.parts.slots.give(claimed)
        except SQLAlchemyError as error:
            delay = self._outage.note(error)
            self.wakeup.listen_anew()
        else:
            if has_settled.result() or has_heard or claimed:
                self._outage.note_end()
            delay = self.settings.poll_seconds
        self._take_stock()
        self.condition.turn_ends()
        return delay

    def shutdown(self) -> None:
        """Let running jobs finish for the drain time, then give them back, and let go of everything."""
        log.info("worker.stopping", running=len(self._at_work))
        self.condition.drains()
        self.parts.heartbeat.nudge()
        self._drain()
        self._leaving.set()
        self._give_back_running()
        self.parts.stop()
        self.wakeup.close()
        log.info("worker.stopped", worker_id=self.parts.worker_id, exit_code=self.exit_code)

    # The life of one job; runs in a slot

    def _process_job(self, attempt: Attempt) -> None:
        """Execute, then settle: here where the job wrote something, else with the next group."""
        outcome = _or_fault(lambda: self.parts.execute(attempt))
        if not attempt.takes_the_end():
            attempt.unit.discard()
            return self._at_work.came_back(attempt)
        outcome = _or_fault(lambda: self._settle_here(attempt, outcome))
        attempt.unit.discard()
        return self._at_work.finish(attempt, outcome)

    def _settle_here(self, attempt: Attempt, outcome: Outcome | None) -> Outcome | None:
        if outcome is not None and keeps_writes(outcome) and attempt.unit.has_work():
            return settle_with_writes(attempt, outcome, self._leaving)
        return outcome

    # The steps of the loop

    def _settle(self) -> bool:
        return self._at_work.settle_finished(self.parts.engine, self.parts.log_writer)

    def _claim(self) -> list[Attempt]:
        free = self._at_work.free(self.parts.slots.size)
        if free <= 0 or self._must_end or self.condition.is_paused or not self.lease.is_trusted:
            return []
        if not self._claims.is_worth(free, self.parts.slots.size):
            return []
        engine, claimant, ageing = self.parts.engine, self.parts.claimant, self.parts.ageing
        jobs = claim_in_turn(engine, claimant, free, ageing, runs_a_suspect=self._at_work.runs_a_suspect)
        self._claims.claimed(is_full=len(jobs) == free)
        if jobs:
            log.info("job.claimed", count=len(jobs))
        engine, watch, desk = self.parts.job_engine, self.parts.log_writer.watch, self.parts.desk
        return [Attempt.open(job, self.registry, engine, watch, desk, self.lease) for job in jobs]

    def _heed_beat(self) -> bool:
        """Act on the answer to the last beat, if there is a new one."""
        if (news := self.parts.heartbeat.take_news()) is None:
            return False
        beat, sent_at = news
        unknown = self._at_work.heed(beat, sent_at)  # also those that were settled while the answer was under way
        if unknown and (returned := give_back_unknown(self.parts.engine, unknown)):
            log.warning("claim.in_doubt", jobs=returned)
        if beat.has_requests:
            self.parts.requests.look()
        if self.condition.heeds_request(beat.requested_state) and not self.stop_requests:
            self.request_stop()
        if schema.is_outdated(beat.oldest_worker):
            log.error("worker.outdated", needed=beat.oldest_worker)
            self._end_with(78)
        return True

    def _pass_on_cancels(self) -> None:
        """Looked up at every poll and after hints of the database, not at every finished job."""
        if not self._at_work.is_idle and self._looks_for_cancels.take_turn():
            self._at_work.pass_on_cancels(asked_to_stop(self.parts.engine, self.parts.worker_id))

    def _take_stock(self) -> None:
        """What the condition shows, and whether this process is worn out."""
        condition = self.condition
        condition.slots, condition.busy = self.parts.slots.size, len(self._at_work)
        condition.leaked = self._at_work.leaked
        condition.tell()
        if must_recycle(condition.leaked, condition.slots):
            self._end_with(75)

    def _end_with(self, exit_code: int) -> None:
        if not self.exit_code:
            self.exit_code = exit_code
            log.error("worker.recycling", exit_code=exit_code, leaked=self._at_work.leaked)

    @property
    def _must_end(self) -> bool:  # asked to, or for a reason of its own: a first SIGTERM after that still drains
        return bool(self.stop_requests or self.exit_code)

    def _sleep(self, seconds: float) -> None:
        if self._looks_for_cancels.is_hinted and not self._at_work.is_idle:
            seconds = min(seconds, self._looks_for_cancels.seconds_left())
        seconds = min(seconds, self._claims.seconds_left(), self.condition.longest_sleep)
        if self.wakeup.wait(seconds) is Hint.ANYTHING:
            self._looks_for_cancels.hint()
            self.parts.requests.look()

    def _is_empty(self) -> bool:
        return self._at_work.is_idle and self._until_empty.is_reached(self.parts.engine, self.parts.claimant)

    # The end

    def _drain(self) -> None:
        """Wait for running jobs: first as long as the drain time allows, then until they notice their token."""
        departure = Departure(self.settings.drain_seconds, self.settings.stop_grace_seconds)
        while not self._at_work.is_idle:
            delay = self.cycle()
            if departure.must_ask(time.monotonic(), self.stop_requests):
                self._at_work.stop_all(StopReason.SHUTDOWN)
            if departure.is_over(time.monotonic()):
                return
            if not self._at_work.is_idle:
                self._sleep(min(delay, departure.seconds_left(time.monotonic())))

    def _give_back_running(self) -> None:
        try:
            self._settle()
            self._at_work.give_back(self.parts.engine)
        except SQLAlchemyError as error:
            self._outage.note(error)


def _or_fault(step: Callable[[], Outcome | None]) -> Outcome | None:
    """What the step answers. A fault of the engine in it must not cost the slot, nor hold up the job."""
    try:
        return step()
    except BaseException as error:  # noqa: BLE001 - see above
        return Errored(f"the worker failed: {type(error).__name__}", format_trace(error))
