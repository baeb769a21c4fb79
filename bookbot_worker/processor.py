"""The heart of the system: claim jobs, execute each, settle it. Startup, cycle, shutdown.

One thread (the loop) claims jobs and settles groups; slots run the jobs. `_process_job` is the whole life of
one job, in named steps. The processor knows no concrete job type, no LLM and no exporter: it is given them.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from bookbot_worker.at_work import AtWork
from bookbot_worker.attempt import Attempt
from bookbot_worker.cancellation import StopReason
from bookbot_worker.execution import execute
from bookbot_worker.failure_text import format_trace
from bookbot_worker.jobs.base import BaseJob
from bookbot_worker.jobs.registry import Registry
from bookbot_worker.outage import Outage
from bookbot_worker.outcomes import Cancelled, Errored, LostClaim, Outcome, keeps_writes
from bookbot_worker.parts import Parts
from bookbot_worker.queue.backlog import Left, anything_left
from bookbot_worker.queue.claim import claim
from bookbot_worker.queue.settle import settle_alone
from bookbot_worker.queue.workers import mark_worker
from bookbot_worker.wakeup import Wakeup
from shared.models import Job
from shared.settings import Settings, load_settings

log = structlog.get_logger()

SHUTDOWN_GRACE = 10.0
"""Seconds a job has to notice that the worker shuts down, after the drain time is over."""

URGENT_GRACE = 1.0
"""The same after a second request to stop."""


class JobProcessor:
    """Runs jobs of the registered types until it is asked to stop.

    `run()` blocks; `start()` and `stop()` do the same in a thread of their own, for a development server.
    """

    def __init__(self, settings: Settings | None = None, llm: Any = None) -> None:
        self.settings = settings or load_settings()
        self.registry = Registry()
        self.wakeup = Wakeup()
        self.stop_requests = 0
        self.failure: BaseException | None = None
        self._llm = llm
        self._at_work = AtWork(self.wakeup.wake)
        self._outage = Outage()
        self._next_look_for_cancels = 0.0
        self._waits_for: Left | None = None
        self._thread: threading.Thread | None = None

    def register(self, name: str, job_class: type[BaseJob]) -> None:
        """Run jobs of type `name` with `job_class`. Raises ConfigurationError where the two do not fit."""
        self.registry.add(name, job_class)

    def request_stop(self) -> None:
        """Finish what runs and end; a second request does not wait for it. Safe from any thread."""
        self.note_stop_request()
        self.wakeup.wake()

    def note_stop_request(self) -> None:
        """The same from a signal handler, which must take no lock: the thread it interrupts may hold it."""
        self.stop_requests += 1

    def start(self) -> None:
        """Run in a background thread; what ends it early is kept in `failure`."""
        self._thread = threading.Thread(target=self._run_in_thread, name="job-processor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the background thread to finish what runs, and wait for it."""
        self.request_stop()
        if self._thread is not None:
            self._thread.join()

    def _run_in_thread(self) -> None:
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001 - kept for whoever started the thread
            self.failure = error
            log.error("worker.failed", reason=str(error))

    # The daemon in three verbs

    def run(self, *, until_empty: bool = False) -> None:
        """Work until asked to stop, or, with `until_empty`, until nothing is left to do.

        Raises SchemaMismatch or ConfigurationError where it cannot start.
        """
        self.startup()
        try:
            while not self.stop_requests:
                delay = self.cycle()
                if until_empty and not self._at_work and self._is_empty():
                    break
                self._sleep(delay)
        finally:
            self.shutdown()

    def startup(self) -> None:
        """Open the database, check the schema, register this worker, start the threads."""
        self.parts = Parts(self.settings, tuple(self.registry), self._process_job)
        self.wakeup.hints = self.parts.start()
        log.info("worker.started", worker_id=self.parts.worker_id, concurrency=self.settings.concurrency)

    def cycle(self) -> float:
        """One turn: settle what has finished, pass on cancels, fill the free slots. Returns the seconds to wait."""
        try:
            self._at_work.settle_finished(self.parts.engine, self.parts.log_writer)
            self._pass_on_cancels()
            claimed = self._claim()
        except DBAPIError as error:
            return self._outage.note(error)
        self._outage.note_end()
        busy = len(self._at_work)
        self._at_work.add(claimed)
        self.parts.slots.give(claimed, busy)
        return self.settings.poll_seconds

    def shutdown(self) -> None:
        """Let running jobs finish for the drain time, then give them back, and let go of everything."""
        log.info("worker.stopping", running=len(self._at_work))
        self._drain()
        self._give_back_running()
        self._mark("stopped")
        self.parts.stop()
        self.wakeup.close()
        log.info("worker.stopped", worker_id=self.parts.worker_id)

    # The life of one job; runs in a slot

    def _process_job(self, attempt: Attempt) -> None:
        """Execute, then settle: here where the job wrote something, else with the next group."""
        outcome: Outcome | None
        try:
            outcome = execute(attempt)
            if keeps_writes(outcome) and attempt.unit.has_work():
                outcome = self._settle_with_writes(attempt, outcome)
        except BaseException as error:  # noqa: BLE001 - a fault of the engine must not cost the slot
            outcome = Errored(f"the worker failed: {type(error).__name__}", format_trace(error))
        attempt.unit.discard()
        self._at_work.finish(attempt, outcome)

    def _settle_with_writes(self, attempt: Attempt, outcome: Outcome) -> Outcome | None:
        """Settle the job together with its writes. Returns what is left to settle: None, or the failure to do so.

        The failure is settled with the next group, in a transaction that holds only the engine's own words. If
        the commit had gone through without its answer arriving, that finds the claim gone and changes nothing.
        """
        try:
            settle_alone(attempt.unit, attempt.settlement(outcome))
        except LostClaim:
            return Cancelled()  # if it was cancelled meanwhile; where the claim is really lost, this changes nothing
        except Exception as error:  # noqa: BLE001 - whatever the job's writes make the database or a flush raise
            return attempt.could_not_be_saved(error)
        return None

    # The steps of the loop

    def _claim(self) -> list[Attempt]:
        free = self.parts.slots.size - len(self._at_work)
        if not free or self.stop_requests:
            return []
        jobs = claim(self.parts.engine, self.parts.claimant, free)
        if jobs:
            log.info("job.claimed", count=len(jobs))
        return [self._open(job) for job in jobs]

    def _open(self, job: Job) -> Attempt:
        """Everything one attempt needs; its session is made when it is first used."""
        return Attempt.open(job, self.registry, self.parts.job_engine, self.parts.log_writer.watch, self._llm)

    def _pass_on_cancels(self) -> None:
        """Looked up at every poll and at every hint of the database, not at every finished job."""
        if self._at_work and time.monotonic() >= self._next_look_for_cancels:
            self._next_look_for_cancels = time.monotonic() + self.settings.poll_seconds
            self._at_work.pass_on_cancels(self.parts.engine, self.parts.worker_id)

    def _sleep(self, seconds: float) -> None:
        if self.wakeup.wait(seconds):
            self._next_look_for_cancels = 0.0

    def _is_empty(self) -> bool:
        try:
            left = anything_left(self.parts.engine, self.parts.claimant)
        except DBAPIError:
            return False
        if left is not None and left != self._waits_for:
            log.info("worker.waits", job_id=left.job_id, runs_on=left.worker_id)
        self._waits_for = left
        return left is None

    # The end

    def _drain(self) -> None:
        """Wait for running jobs: first as long as the drain time allows, then until they notice their token."""
        if self.stop_requests:
            self._mark("draining")
        deadline = time.monotonic() + self.settings.drain_seconds
        is_asked = False
        while self._at_work:
            delay = self.cycle()
            if not is_asked and (self.stop_requests > 1 or time.monotonic() >= deadline):
                is_asked = True
                deadline = time.monotonic() + (URGENT_GRACE if self.stop_requests > 1 else SHUTDOWN_GRACE)
                self._at_work.stop_all(StopReason.SHUTDOWN)
            if is_asked and time.monotonic() >= deadline:
                return
            if self._at_work:
                self._sleep(min(delay, max(deadline - time.monotonic(), 0.01)))

    def _give_back_running(self) -> None:
        self.parts.log_writer.stop()
        self._try(lambda: self._at_work.give_back(self.parts.engine))

    def _mark(self, state: str) -> None:
        self._try(lambda: mark_worker(self.parts.engine, self.parts.worker_id, state))

    def _try(self, act: Callable[[], None]) -> None:
        """Something worth doing on the way out, that must not stop the way out."""
        try:
            act()
        except DBAPIError as error:
            self._outage.note(error)
