"""The heartbeat: says every few seconds that this worker lives, on a connection of its own.

It stops beating when the loop is stuck, because a worker that settles nothing must not keep its jobs. It decides
nothing about jobs: what a beat's answer means is for the loop to say, which takes it with `take_news`.
"""

from collections.abc import Callable

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bookbot_worker.condition import Condition
from bookbot_worker.lease import Lease
from bookbot_worker.maintenance.service import Service
from bookbot_worker.queue.workers import Beat, beat
from shared.outages import reason

log = structlog.get_logger()


class Heartbeat(Service):
    """Renews the lease. `worker` are the columns of this worker's row that never change.

    `on_suspicion` is called when another worker may be dead, and none might have been at the last beat.
    """

    name = "heartbeat"

    def __init__(
        self,
        engine: Engine,
        worker: dict[str, object],
        lease: Lease,
        condition: Condition,
        interval: float,
        on_suspicion: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(interval)
        self._engine = engine
        self._worker = worker
        self._lease = lease
        self._condition = condition
        self._news: tuple[Beat, float] | None = None
        self._is_missing = False
        self._on_suspicion = on_suspicion
        self.server_seconds: float | None = None
        self.others_may_be_dead = True

    def run_once(self) -> None:
        """One beat. A missed one is tried again sooner."""
        if self._condition.is_stuck:
            self._missed("the loop is stuck")
            return
        sent_at = self._lease.clock()
        try:
            answer = self.beat()
        except SQLAlchemyError as error:
            self._missed(reason(error))
            return
        self._lease.renewed(sent_at)
        self.server_seconds = answer.server_seconds
        before, self.others_may_be_dead = self.others_may_be_dead, answer.others_may_be_dead
        if self.others_may_be_dead and not before:
            self._on_suspicion()
        self._news = (answer, sent_at)
        if self._is_missing:
            self._is_missing = False
            log.info("beat.back")
        self._condition.wake()

    def announce(self) -> None:
        """The first beat, which announces the worker; raises what says that the database is away."""
        sent_at = self._lease.clock()
        self.beat()
        self._lease.renewed(sent_at)
        self.start()

    def beat(self) -> Beat:
        """Send one beat now; raises what says that the database is away."""
        lease, condition = self._lease, self._condition
        return beat(self._engine, self._worker, lease.seconds, condition.state, condition.trouble_to_tell())

    def take_news(self) -> tuple[Beat, float] | None:
        """The last answer and when its question was sent, once."""
        news, self._news = self._news, None
        return news

    def pause(self) -> float:
        """After a missed beat, a quarter of the interval."""
        return super().pause() * (0.25 if self._is_missing else 1.0)

    def _missed(self, why: str) -> None:
        self._lease.missed()
        self._condition.meter.beat_missed()
        if not self._is_missing:
            self._is_missing = True
            log.warning("beat.missed", reason=why)
