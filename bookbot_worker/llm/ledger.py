"""The ledger around the client: an answer that was paid for is kept before the job sees it, and given again for free.

The story of one call is `complete`: look it up; else enter it as `sent`, ask, and keep the answer, or how it failed.
Nothing here touches the job's own session; the job's connection is parked meanwhile.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.failpoints import reach
from bookbot_worker.llm.admission import Wait, admit
from bookbot_worker.llm.circuits import close_circuit, count_failure, let_probe_go
from bookbot_worker.llm.client import Completion, Listener, Prompt
from bookbot_worker.llm.desk import Desk, Life
from bookbot_worker.llm.entries import done_entry, failed_entry, is_trouble, kept_completion
from bookbot_worker.llm.ledger_rows import (
    Asked,
    Run,
    answered,
    at_the_ledger,
    finish,
    insert_sent,
    settle_lost_calls,
)
from bookbot_worker.llm.request import storable
from bookbot_worker.outcomes import JobCancelled, Snooze
from bookbot_worker.retry import outage_delay
from shared.ids import new_id
from shared.outages import is_outage, reason

log = structlog.get_logger()

LIMIT_PATIENCE = 10.0
"""Seconds a job keeps its slot while others use up a limit; then it goes back to waiting, at no cost."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_replay`: from the ledger, for free."""

    completion: Completion
    is_replay: bool


class JobLedger:
    """The ledger as one attempt of one job sees it. Safe from several threads of the job."""

    def __init__(self, desk: Desk, run: Run, life: Life) -> None:
        self._desk = desk
        self._run = run
        self._life = life
        self._lock = threading.Lock()
        self._taken: defaultdict[str, set[int]] = defaultdict(set)
        self._seq = 0
        self._has_looked_back = False

    def complete(self, prompt: Prompt, listener: Listener) -> Answer:
        """The answer to `prompt`. Raises what the author raises, Snooze where the call may not leave now, and
        JobCancelled where the attempt is asked to stop, or has lost its job to another.
        """
        if self._life.holds_the_writer():
            raise RuntimeError(
                "on SQLite a job must not flush before it asks its LLM: nobody could write the ledger until it ends"
            )
        asked = self._desk.asked(prompt)
        with self._place(asked.request_hash) as (seq, occurrence):
            kept = self._persist(lambda connection: self._look_up(connection, asked, occurrence))
            if kept is not None:
                listener.on_text(kept.text)
                return Answer(kept, is_replay=True)
            call_id = self._enter(asked, seq, occurrence)
            return Answer(self._ask(prompt, listener, asked, call_id), is_replay=False)

    @contextmanager
    def _place(self, request_hash: str) -> Iterator[tuple[int, int]]:
        """The number of this call, and how often its request was answered before in this attempt, plus one.

        A call that fails gives its place back: the n-th answer of a request stands for its n-th answer, not for its
        n-th try.
        """
        with self._lock:
            self._seq += 1
            taken = self._taken[request_hash]
            seq, occurrence = self._seq, next(n for n in range(1, len(taken) + 2) if n not in taken)
            taken.add(occurrence)
        try:
            yield seq, occurrence
        except BaseException:
            with self._lock:
                taken.discard(occurrence)
            raise

    def _look_up(self, connection: Connection, asked: Asked, occurrence: int) -> Completion | None:
        if not self._has_looked_back:
            settle_lost_calls(connection, self._run)
            self._has_looked_back = True
        row = answered(connection, self._run, asked.request_hash, occurrence)
        return None if row is None else kept_completion(row)

    # Before the request leaves

    def _enter(self, asked: Asked, seq: int, occurrence: int) -> str:
        """The id of the call's row, which is committed. Waits, or raises Snooze, while it may not leave."""
        call_id = new_id()
        patience = time.monotonic() + LIMIT_PATIENCE
        while True:
            self._life.before_spending()
            wait = self._persist(lambda connection: self._try_to_enter(connection, asked, call_id, seq, occurrence))
            if wait is None:
                reach("llm.sent")
                return call_id
            if not wait.is_brief or time.monotonic() > patience:
                log.info("llm.waits", job_id=self._run.job_id, reason=wait.reason)
                raise Snooze(wait.after, wait.reason)
            self._life.wait(wait.after)

    def _try_to_enter(
        self, connection: Connection, asked: Asked, call_id: str, seq: int, occurrence: int
    ) -> Wait | None:
        wait = admit(connection, self._run, asked, self._desk.rules, call_id)
        if wait is None and not insert_sent(
            connection, self._run, asked, call_id=call_id, seq=seq, occurrence=occurrence
        ):
            self._life.check()
            raise JobCancelled("the job runs elsewhere")
        return wait

    # The call

    def _ask(self, prompt: Prompt, listener: Listener, asked: Asked, call_id: str) -> Completion:
        pieces: list[str] = []

        def hear(piece: str) -> None:
            pieces.append(piece)
            listener.on_text(piece)

        began = time.monotonic()
        try:
            completion = self._desk.author.complete(prompt, replace(listener, on_text=hear))
        except BaseException as error:
            self._note_failure(asked, call_id, error, storable("".join(pieces)), began)
            raise
        reach("llm.answered")
        completion = replace(completion, text=storable(completion.text))
        entry = done_entry(completion, self._desk.prices.cost_of(completion, asked.model), _ms_since(began))
        try:
            self._keep(asked, call_id, entry)
        finally:
            self._desk.meter.called(asked.model, entry)
        reach("llm.kept")
        return replace(completion, cost_usd=entry["cost_usd"], cost_source=entry["cost_source"])

    def _keep(self, asked: Asked, call_id: str, entry: dict[str, Any]) -> None:
        """Store the answer, however long the database is away; where the job must stop, there is one last try."""

        def store(connection: Connection) -> None:
            finish(connection, self._run, call_id, entry)
            close_circuit(connection, asked.provider, asked.model)

        try:
            self._persist(store)
        except JobCancelled:
            self._try_once(store)
            raise

    def _note_failure(self, asked: Asked, call_id: str, error: BaseException, heard: str, began: float) -> None:
        entry = failed_entry(error, heard, asked, self._desk.prices, _ms_since(began))

        def store(connection: Connection) -> None:
            finish(connection, self._run, call_id, entry)
            if is_trouble(error):
                after: timedelta | None = getattr(error, "after", None)
                count_failure(
                    connection, asked.provider, asked.model, self._desk.rules.policy, entry["error"], after, call_id
                )
            else:
                let_probe_go(connection, asked.provider, asked.model, call_id)

        self._try_once(store)
        self._desk.meter.called(asked.model, entry)

    # The side connection

    def _persist(self, step: Callable[[Connection], Result]) -> Result:
        """Do `step` in a transaction, again and again while the database is away. Raises JobCancelled."""
        tries = 0
        while True:
            try:
                with at_the_ledger(self._desk.engine) as connection:
                    return step(connection)
            except SQLAlchemyError as error:
                if not is_outage(error):
                    raise
                tries += 1
                log.warning("llm.ledger_delayed", job_id=self._run.job_id, reason=reason(error), tries=tries)
            self._life.wait(timedelta(seconds=outage_delay(tries)))

    def _try_once(self, step: Callable[[Connection], None]) -> None:
        """Do `step` if the database lets us; else the call stays `sent`, which is shown as unknown."""
        try:
            with at_the_ledger(self._desk.engine) as connection:
                step(connection)
        except SQLAlchemyError as error:
            log.error("llm.entry_lost", job_id=self._run.job_id, reason=reason(error))


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
